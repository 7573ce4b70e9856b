"""A person's certificate: whose it is, what it is good for, and when it ends."""

from base64 import b64decode
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.x509.verification import VerificationError
from ruamel.yaml import YAML

from generator import pki
from generator.errors import UserError
from generator.pki import Person
from generator.store import Secrets
from tests.pki.certificates import NOW, certificates, identity, same_key, verify_client

CONTEXT = "star-wars-aws"


def granted(secrets, name="alice@example.com", groups=("developers", "on-call"), ttl="8h"):
    access = pki.grant(secrets, "https://203.0.113.7:6443", Person.of(name, groups, ttl), CONTEXT, NOW)
    return YAML(typ="safe").load(access.kubeconfig), access.ends


def certificate(config):
    return b64decode(config["users"][0]["user"]["client-certificate-data"]).decode()


def test_it_says_who_it_is_to_the_api_server_alone(secrets, documents):
    config, _ = granted(secrets)
    crt = certificate(config)
    assert identity(crt) == ("alice@example.com", ["developers", "on-call"])
    assert verify_client(crt, documents["kube-apiserver"]["ca.crt"])
    assert same_key(crt, b64decode(config["users"][0]["user"]["client-key-data"]).decode())
    usage = certificates(crt)[0].extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH]


def test_it_has_a_context_of_its_own_towards_the_same_cluster(secrets):
    config, _ = granted(secrets)
    admin = YAML(typ="safe").load(pki.admin_kubeconfig(secrets, "https://203.0.113.7:6443", CONTEXT))
    user = f"alice@example.com@{CONTEXT}"
    assert config["current-context"] == config["contexts"][0]["name"] == config["users"][0]["name"] == user
    assert config["contexts"][0]["context"] == {"cluster": CONTEXT, "user": user}
    assert config["clusters"] == admin["clusters"]


@pytest.mark.parametrize(
    ("ttl", "life"),
    [
        ("1m", 60),
        ("90s", 90),
        ("8h", 8 * 3600),
        ("1h30m", 5400),
        ("24h", 86400),
        ("1440m", 86400),
        ("23h59m60s", 86400),
    ],
)
def test_it_ends_when_it_was_said_to(secrets, documents, ttl, life):
    config, ends = granted(secrets, ttl=ttl)
    assert ends == NOW.replace(microsecond=0) + timedelta(seconds=life)
    ca = documents["kube-apiserver"]["ca.crt"]
    assert verify_client(certificate(config), ca, ends - timedelta(seconds=1))
    with pytest.raises(VerificationError):
        verify_client(certificate(config), ca, ends + timedelta(seconds=1))


@pytest.mark.parametrize("ttl", ["59s", "0h", "24h1s", "25h", "365000000h", "1d", "8", "", "h", "-1h", "1.5h", "8h "])
def test_another_life_is_refused_with_what_is_right(ttl):
    with pytest.raises(UserError) as refused:
        Person.of("alice", (), ttl)
    assert ttl in refused.value.message and "--ttl" in refused.value.hint


@pytest.mark.parametrize(
    "name",
    [
        *("system:admin", "system:kube-scheduler", "system:node:master1", "anywhere-admin", "anywhere-addons"),
        *("kube-apiserver-kubelet-client", "kube-apiserver", "front-proxy-client", "anywhere:x", "oidc:alice"),
        *("", " ", "alice bob", "alice\n", "a" * 65, "../alice", "-alice", "älice", "a/b", "a=b,O=c"),
    ],
)
def test_a_name_that_is_somebody_elses_or_none_is_refused(name):
    with pytest.raises(UserError, match="name") as refused:
        Person.of(name, (), "8h")
    assert "--user alice" in refused.value.hint


@pytest.mark.parametrize(
    "group",
    [
        *("system:masters", "system:nodes", "system:authenticated", "system:anything", "anywhere:kubelet-api"),
        *("", "a b", "developers\n", "g" * 65, "-x", "gr\u00fcn"),
    ],
)
def test_a_group_that_is_kept_or_none_is_refused(group):
    with pytest.raises(UserError, match="group") as refused:
        Person.of("alice", ["developers", group], "8h")
    assert "group" in refused.value.hint


def test_every_identity_that_a_component_has_is_refused(secrets):
    """Nobody is issued what the cluster takes for a part of itself."""
    for pair in secrets.leaves.values():
        name, groups = identity(pair.crt)
        with pytest.raises(UserError):
            Person.of(name, (), "8h")
        for group in groups:
            with pytest.raises(UserError):
                Person.of("alice", [group], "8h")


def test_groups_are_optional_and_none_is_given_twice(secrets):
    assert identity(certificate(granted(secrets, groups=())[0])) == ("alice@example.com", [])
    assert Person.of("alice", ["b", "a", "b"], "8h").groups == ("b", "a")
    assert Person.of("alice", ["/platform/team", "oidc:x"], "8h").groups == ("/platform/team", "oidc:x")


def test_before_the_first_apply_there_is_nobody_to_issue_it():
    with pytest.raises(UserError, match="no secrets yet"):
        granted(Secrets("star-wars"))
