"""What the lock holds of Google, and what is rendered from it."""

from dataclasses import replace
from ipaddress import IPv4Network

import pytest

from generator.definition import SIZES, Masters, Pool
from generator.errors import UserError
from generator.lock import Lock
from providers import locked
from providers.gce import disks, facts, sizes
from tests.gce.cloud import NUMBER, PROJECT, REGION, TYPES, ZONES

DEBIAN = "projects/debian-cloud/global/images/debian-13-trixie"


def lock(found):
    return Lock("v1.37.2", "weave", {}, None, {}, {"gce": found})


def test_all_is_asked_for_where_nothing_is_given(session, define):
    assert facts.found(session, define()) == {
        "project": PROJECT,
        "region": REGION,
        "project_number": NUMBER,
        "zones": ZONES,
        "images": {"amd64": f"{DEBIAN}-v20261111"},
    }


def test_each_architecture_has_its_image(session, define):
    definition = replace(define(), workers=(Pool("arm", 1, "small", arch="arm64"),))
    assert facts.found(session, definition)["images"] == {
        "amd64": f"{DEBIAN}-v20261111",
        "arm64": f"{DEBIAN}-arm64-v20261111",
    }


def test_nobody_is_asked_where_all_is_given(session, cloud, define):
    image = "projects/my-project/global/images/golden"
    definition = define(zones=ZONES[:1], images={"amd64": image}, project_number="123456")
    assert facts.found(session, definition)["images"] == {"amd64": image}
    assert cloud.asked == []


def test_zones_that_lack_a_type_are_left_out(session, cloud, define):
    del cloud.types[ZONES[1]]["e2-standard-2"]
    cloud.zones[ZONES[2]] = "DOWN"
    assert facts.found(session, define())["zones"] == ZONES[:1]


def test_a_zone_that_lacks_a_type_is_refused_where_it_is_asked_for(session, cloud, define):
    del cloud.types[ZONES[1]]["e2-standard-2"]
    with pytest.raises(UserError, match=f"Zone {ZONES[1]} does not offer e2-standard-2") as caught:
        facts.found(session, define(zones=ZONES[:2]))
    assert f"Zones that do: {ZONES[0]}, {ZONES[2]}" in caught.value.hint


def test_a_type_that_no_zone_offers(session, cloud, define):
    for zone in ZONES:
        cloud.types[zone] = {}
    with pytest.raises(UserError, match="No zone of europe-west1 offers all of") as caught:
        facts.found(session, define())
    assert "providers.gce.sizes" in caught.value.hint


def test_an_existing_subnetwork_is_checked(session, cloud, define):
    network = {"name": "shared", "subnetwork": "nodes"}
    definition = define(network=network)
    with pytest.raises(UserError, match="europe-west1 has no subnetwork nodes"):
        facts.found(session, definition)
    cloud.add("subnetworks", "nodes", REGION, network="x/networks/shared", ipCidrRange="10.20.64.0/20")
    found = facts.found(session, definition)
    assert found["subnets"] == [{"id": "nodes", "zone": "", "cidr": "10.20.64.0/20"}]
    assert locked.subnets(lock(found), "gce") == (IPv4Network("10.20.64.0/20"),)
    assert facts.settings(definition, lock(found))["network"] == network | {"project": PROJECT}
    cloud.things["subnetworks"][0]["ipCidrRange"] = "10.99.0.0/20"
    with pytest.raises(UserError, match="not inside of spec") as caught:
        facts.found(session, definition)
    assert caught.value.hint.startswith("Write spec.network.machines: 10.99.0.0/20")
    cloud.things["subnetworks"][0]["network"] = "x/networks/other"
    with pytest.raises(UserError, match="is of network other, not of shared"):
        facts.found(session, definition)


def test_settings_are_what_the_module_asks_for(session, define):
    definition = define(labels={"team": "a"}, sizes={"small": {"amd64": "n2-standard-4"}})
    found = facts.settings(replace(definition, masters=Masters(3, "large", False)), lock(FOUND))
    assert found["types"] == {
        "tiny-amd64": "e2-small",
        "large-amd64": "e2-standard-4",
        "small-amd64": "n2-standard-4",
    }
    assert set(found["disks"]) == set(found["types"]) and set(found["disks"].values()) == {"pd-balanced"}
    assert found["load_balancer"] is True and found["labels"] == {"team": "a"}
    assert facts.settings(definition, lock(FOUND))["load_balancer"] is False
    assert facts.settings(define(load_balancer=True), lock(FOUND))["load_balancer"] is True


FOUND = {
    "project": PROJECT,
    "region": REGION,
    "project_number": NUMBER,
    "zones": ZONES,
    "images": {"amd64": f"{DEBIAN}-v20261111"},
}


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"region": "us-east1"}, "is of region europe-west1, the definition of us-east1"),
        ({"project": "another"}, "is of project my-project, the definition of another"),
        ({"zones": ZONES[:1]}, "has other zones"),
        ({"images": {"amd64": "projects/p/global/images/i"}}, "has another machine image"),
        ({"network": {"name": "n", "subnetwork": "s"}}, "has another subnetwork"),
    ],
)
def test_a_lock_of_something_else_is_refused(define, section, said):
    with pytest.raises(UserError, match=said) as caught:
        facts.settings(define(**section), lock(FOUND))
    assert "`anywhere images lock`" in caught.value.hint


def test_a_lock_without_facts_says_how_to_have_them(define):
    with pytest.raises(UserError, match="no facts of GCE") as caught:
        facts.settings(define(), Lock("v1.37.2", "weave", {}, None, {}, {}))
    assert "anywhere images lock" in caught.value.hint


def test_a_network_that_is_too_small_is_refused_before_anything(session, cloud, define):
    base = define()
    small = replace(base, network=replace(base.network, machines=IPv4Network("10.20.0.0/20")))
    with pytest.raises(UserError, match=r"spec.network.machines 10.20.0.0/20 is too small for GCE") as caught:
        facts.found(session, small)
    assert caught.value.hint.startswith("Make it a /19 or larger") and cloud.asked == []


def test_sizes_are_no_smaller_than_they_promise():
    for name, types in sizes.TYPES.items():
        for kind in types.values():
            cpus, memory = TYPES[kind]
            assert cpus >= SIZES[name].cpus and memory >= SIZES[name].memory, (name, kind)


@pytest.mark.parametrize(
    ("machine", "disk"),
    [
        *(("e2-medium", "pd-balanced"), ("n2-standard-4", "pd-balanced"), ("t2a-standard-2", "pd-balanced")),
        *(("c3-standard-4", "pd-balanced"), ("c4a-standard-2", "hyperdisk-balanced")),
        *(("n4-custom-4-8192", "hyperdisk-balanced"), ("c4d-highcpu-8", "hyperdisk-balanced")),
    ],
)
def test_a_machine_has_disks_that_it_takes(machine, disk):
    assert disks.kind(machine) == disk


def test_a_type_of_ones_own_numbers_is_found(session, cloud, define):
    definition = define(sizes={"medium": {"amd64": "e2-custom-4-8192"}})
    assert facts.found(session, definition)["zones"] == ZONES
    del cloud.types[ZONES[0]]
    assert facts.found(session, definition)["zones"] == ZONES[1:]


def test_a_subnetwork_for_something_else(session, cloud, define):
    fields = {"network": "x/networks/shared", "ipCidrRange": "10.20.64.0/20", "purpose": "REGIONAL_MANAGED_PROXY"}
    cloud.add("subnetworks", "nodes", REGION, **fields)
    with pytest.raises(UserError, match="Subnetwork nodes is for REGIONAL_MANAGED_PROXY, not for machines"):
        facts.found(session, define(network={"name": "shared", "subnetwork": "nodes"}))


def test_a_family_that_debian_has_not(session, cloud, define):
    cloud.refuse("GET .*/images/family/debian-13$", 404, "notFound")
    with pytest.raises(UserError, match="has no image of family debian-13") as caught:
        facts.found(session, define())
    assert "providers.gce.images: {amd64: projects/PROJECT/global/images/NAME}" in caught.value.hint


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ({"status": "PENDING"}, "is PENDING"),
        ({"status": "READY", "deprecated": {"state": "OBSOLETE"}}, "is OBSOLETE"),
        ({"status": "READY", "architecture": "ARM64"}, "is for ARM64, and machines of amd64 need another"),
        (None, "is not there"),
    ],
)
def test_an_image_that_will_not_do(session, cloud, define, image, said):
    if image:
        cloud.add("images", "golden", **image)
    definition = define(images={"amd64": "projects/my-project/global/images/golden"})
    with pytest.raises(UserError, match=f"The machine image projects/my-project/global/images/golden {said}") as caught:
        facts.found(session, definition)
    assert "`anywhere images lock`" in caught.value.hint
