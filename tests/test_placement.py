"""Zones are chosen once: what is there stays, what is new is added, and a pool uses those that have its type."""

import pytest

from generator.errors import UserError
from providers import placement
from providers.groups import Group
from providers.placement import Offers, Placement

A, B, C, D = (f"eu-south-1{letter}" for letter in "abcd")
MASTER = Group("master", 3, "medium", "amd64", False, "t3.medium")
GENERAL = Group("worker-general", 2, "medium", "amd64", False, "t3.medium")
GPU = Group("worker-gpu", 1, "large", "amd64", False, "g4dn.xlarge")


def offers(**kinds):
    """What zones offer beside t3.medium, by letter; None is a zone that is not there."""
    zones = {f"eu-south-1{letter}": ("t3.medium", *more) for letter, more in kinds.items() if more is not None}
    return Offers("eu-south-1", zones, "providers.aws", " for this account")


THREE = offers(a=(), b=(), c=())


def choose(offered, groups=(MASTER, GENERAL), given=(), before=None, old=None, most=7):
    return placement.choose(offered, groups, given, most, before, old or {})


def of(*zones):
    return Placement(zones, zones, {})


def test_a_new_cluster_uses_every_zone_that_offers_the_types_of_its_fixed_machines():
    assert choose(THREE) == of(A, B, C)
    assert choose(THREE, most=2) == of(A, B)
    assert choose(THREE, given=(C, A)) == of(C, A)


def test_a_zone_that_appears_is_added_and_moves_nothing():
    found = choose(offers(a=(), b=(), c=(), d=()), before=of(A, B, C), old={"general": (A, B, C)})
    assert found.zones == (A, B, C, D) and found.fixed == (A, B, C)
    assert found.of(MASTER) == found.of(GENERAL) == (A, B, C)
    later = Group("worker-later", 1, "medium", "amd64", False, "t3.medium")
    assert found.of(later) == (A, B, C, D)
    assert placement.locked(found.facts()) == found


def test_a_zone_that_sorts_before_the_others_is_added_last():
    found = choose(THREE, before=of(B, C), old={"general": (B, C)})
    assert found.zones == (B, C, A) and found.fixed == (B, C)


def test_a_zone_that_goes_stays_since_machines_stand_there():
    before = of(A, B, C)
    assert choose(offers(a=(), b=None, c=()), before=before, old={"general": (A, B, C)}) == before
    with pytest.raises(UserError, match=f"eu-south-1 has no zone {B}") as caught:
        placement.check_locked(offers(a=(), b=None, c=()), before, (MASTER,))
    assert caught.value.hint == "Wait until it is back: master has machines there, which stay."


def test_a_zone_that_the_definition_adds_is_added_and_one_that_it_drops_is_refused():
    assert choose(THREE, given=(A, B, C), before=of(C, A)).zones == (C, A, B)
    with pytest.raises(UserError) as caught:
        choose(THREE, given=(A, B), before=of(A, B, C))
    assert caught.value.message == f"providers.aws.zones no longer has {C}, where the lock has machines."
    assert "Put it back" in caught.value.hint


def test_a_pool_whose_type_some_zones_lack_takes_the_others_alone():
    offered = offers(a=(), b=("g4dn.xlarge",), c=("g4dn.xlarge",))
    groups, before = (MASTER, GENERAL, GPU), of(A, B, C)
    with pytest.raises(UserError) as caught:
        placement.check_locked(offered, before, groups)
    assert caught.value.message == f"Zone {A} does not offer g4dn.xlarge, for worker-gpu."
    assert caught.value.hint == f"Run `anywhere images lock`: the pool then uses {B}, {C}; all else stays."
    # A plan that was refused may have given the pool its addresses, so that the lock knows it.
    for old in ({"general": (A, B, C)}, {"general": (A, B, C), "gpu": (A, B, C)}):
        found = choose(offered, groups, before=before, old=old)
        assert found == Placement((A, B, C), (A, B, C), {"gpu": (B, C)})
        placement.check_locked(offered, found, groups)


def test_a_pool_keeps_its_zones_while_one_is_down():
    found = choose(offers(a=(), b=None, c=()), before=of(A, B, C), old={"general": (A, B, C)})
    assert found.of(GENERAL) == (A, B, C)


def test_a_type_that_a_zone_of_fixed_machines_lacks_is_refused_without_moving_them():
    large = Group("master", 3, "large", "amd64", False, "g4dn.xlarge")
    with pytest.raises(UserError) as caught:
        placement.check_locked(offers(a=(), b=("g4dn.xlarge",)), of(A, B), (large,))
    assert caught.value.message == f"Zone {A} does not offer g4dn.xlarge, for master."
    assert caught.value.hint == "Choose another type in providers.aws.sizes: machines keep their zones."


def test_a_pool_whose_type_no_zone_of_the_cluster_has_is_refused():
    with pytest.raises(UserError, match=r"None of the cluster's zones .* offers g4dn.xlarge, the type of worker-gpu"):
        choose(THREE, (MASTER, GPU))


def test_zones_that_the_definition_names_are_added_where_nobody_is_asked():
    found = placement.settled((A, B, C), "providers.aws.zones", of(B, A), {"general": (B, A)})
    assert found == Placement((B, A, C), (B, A), {"general": (B, A)})
    assert placement.settled((A, B), "providers.aws.zones", None, {}) == of(A, B)


def test_fixed_machines_stand_in_the_zones_of_the_first_subnets_of_an_existing_network():
    subnets = [{"id": f"subnet-{n}", "zone": zone} for n, zone in enumerate((B, B, A, C))]
    facts = {"zones": [B, A, C], "subnets": subnets, "spread": 3}
    assert placement.locked(facts) == Placement((B, A, C), (B, A), {})
