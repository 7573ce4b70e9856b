"""What is made anew, when, and what stays."""

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network

import pytest

from generator import pki
from generator.errors import UserError
from generator.store import Secrets
from tests.pki.certificates import NOW, SERVICES, certificates, identity, verify_client, verify_server


def test_fresh_secrets_come_back_equal(secrets):
    again = pki.ensure(secrets, NOW + timedelta(days=6), SERVICES, ("203.0.113.7", "api.example.com"))
    assert again == secrets


def test_the_token_is_made_anew_after_seven_days_and_nothing_else(secrets):
    names = ("api.example.com", "203.0.113.7")
    assert pki.ensure(secrets, NOW + timedelta(days=8), SERVICES, names, pki.Renewal.CERTIFICATES) == secrets
    later = pki.ensure(secrets, NOW + timedelta(days=8), SERVICES, names)
    assert later.token.id != secrets.token.id
    assert replace(later, token=secrets.token) == secrets


def test_leaves_are_renewed_with_a_third_of_their_life_left_and_authorities_stay(secrets):
    names = ("api.example.com", "203.0.113.7")
    early = pki.ensure(secrets, NOW + timedelta(days=170), SERVICES, names)
    assert early.leaves == secrets.leaves
    one = pki.ensure(secrets, NOW + timedelta(days=175), SERVICES, names)
    assert {name for name, pair in secrets.leaves.items() if one.leaves[name] != pair} == {"addons"}
    late = pki.ensure(secrets, NOW + timedelta(days=250), SERVICES, names)
    assert all(late.leaves[name] != pair for name, pair in secrets.leaves.items())
    assert (late.authorities, late.keys) == (secrets.authorities, secrets.keys)


def test_a_renewed_authority_still_vouches_for_old_and_new_certificates(secrets):
    day = timedelta(days=1)
    before = pki.ensure(secrets, NOW + 2400 * day, SERVICES)
    after = pki.ensure(before, NOW + 2450 * day, SERVICES)
    assert after.leaves == before.leaves
    for name, pair in after.authorities.items():
        assert pair.crt != before.authorities[name].crt and pair.key == before.authorities[name].key
    assert verify_client(before.leaves["admin"].crt, after.authorities["kubernetes"].crt, NOW + 2451 * day)
    later = pki.reissue(after, ["admin"], NOW + 2451 * day, SERVICES)
    assert verify_client(later.leaves["admin"].crt, before.authorities["kubernetes"].crt, NOW + 2452 * day)


def test_a_leaf_never_outlives_its_authority(secrets):
    for name, pair in secrets.leaves.items():
        (leaf,) = certificates(pair.crt)
        (issuer,) = [c for p in secrets.authorities.values() for c in certificates(p.crt) if c.subject == leaf.issuer]
        assert leaf.not_valid_after_utc <= issuer.not_valid_after_utc, name


@pytest.mark.parametrize(
    ("services", "names"),
    [
        (ip_network("10.200.0.0/16"), ("api.example.com", "203.0.113.7")),
        (SERVICES, ("api.example.com",)),
        (SERVICES, ("api.example.com", "203.0.113.7", "203.0.113.8")),
    ],
)
def test_the_apiserver_certificate_alone_is_made_anew_when_its_names_change(secrets, services, names):
    changed = pki.ensure(secrets, NOW, services, names)
    assert {n for n, pair in changed.leaves.items() if pair != secrets.leaves[n]} == {"kube-apiserver"}
    crt, ca = changed.leaves["kube-apiserver"].crt, changed.authorities["kubernetes"].crt
    for name in (str(services[1]), *names):
        assert verify_server(crt, ca, name)


def test_leaves_of_a_lost_authority_are_made_anew(secrets):
    kept = {name: pair for name, pair in secrets.authorities.items() if name != "etcd"}
    made = pki.ensure(replace(secrets, authorities=kept), NOW, SERVICES, ("api.example.com", "203.0.113.7"))
    changed = {name for name, pair in made.leaves.items() if pair != secrets.leaves[name]}
    assert changed == {"etcd-server", "etcd-peer", "etcd-client", "kube-apiserver-etcd-client"}
    assert verify_client(made.leaves["etcd-client"].crt, made.authorities["etcd"].crt)


def test_a_certificate_of_another_identity_is_made_anew(secrets):
    mistaken = {**secrets.leaves, "kube-scheduler": secrets.leaves["kube-controller-manager"]}
    made = pki.ensure(replace(secrets, leaves=mistaken), NOW, SERVICES, ("api.example.com", "203.0.113.7"))
    assert identity(made.leaves["kube-scheduler"].crt) == ("system:kube-scheduler", [])


def test_rotate_makes_only_what_it_is_told(secrets):
    names = ("api.example.com", "203.0.113.7")
    rotated = pki.reissue(secrets, ["kube-scheduler"], NOW, SERVICES, names)
    assert {n for n, p in rotated.leaves.items() if p.key != secrets.leaves[n].key} == {"kube-scheduler"}
    assert replace(rotated, leaves=secrets.leaves) == secrets


def test_rotate_of_an_unknown_name_lists_the_known(secrets):
    with pytest.raises(UserError, match="'kube-shedular'") as caught:
        pki.reissue(secrets, ["kube-shedular"], NOW, SERVICES)
    assert "kube-scheduler" in caught.value.hint


def test_expiries_name_everything_that_ends_soonest_first(secrets):
    found = pki.expiries(secrets)
    assert len(found) == len(secrets.leaves) + len(secrets.authorities)  # a token's age is no matter
    assert [moment for _, moment in found] == sorted(moment for _, moment in found)
    assert pki.expiries(Secrets("star-wars")) == ()
