"""Who vouches for whom, under which names, and for how much."""

import itertools
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID

from generator import pki
from generator.errors import UserError
from generator.store import Secrets
from tests.pki.certificates import NOW, SERVICES, certificates, identity, same_key, verify_client, verify_server

AUTHORITIES = {"kubernetes", "etcd", "front-proxy", "kubelet-client", "kubelet-serving"}

# document, its certificate, the CA file that its peers verify it by (another document's where it is not its own)
CLIENTS = [
    ("etcd", "peer", "etcd/ca.crt"),
    ("etcd", "client", "etcd/ca.crt"),
    ("kube-apiserver", "etcd-client", "etcd/ca.crt"),
    ("kube-apiserver", "kubelet-client", "kubelet/ca.crt"),
    ("kube-apiserver", "front-proxy-client", "kube-apiserver/front-proxy-ca.crt"),
    ("addons", "client", "kube-apiserver/server-ca.crt"),
]


def at(documents, path):
    document, file = path.split("/")
    return documents[document][file]


@pytest.mark.parametrize(("document", "stem", "ca"), CLIENTS)
def test_client_certificates_verify_and_own_their_key(documents, document, stem, ca):
    crt = documents[document][f"{stem}.crt"]
    assert verify_client(crt, at(documents, ca))
    assert same_key(crt, documents[document][f"{stem}.key"])


@pytest.mark.parametrize("name", ["etcd1.weave.local", "etcd9.weave.local", "localhost", "127.0.0.1"])
@pytest.mark.parametrize("stem", ["server", "peer"])
def test_etcd_serves_under_every_name(documents, stem, name):
    etcd = documents["etcd"]
    assert verify_server(etcd[f"{stem}.crt"], etcd["ca.crt"], name)
    assert same_key(etcd[f"{stem}.crt"], etcd[f"{stem}.key"])


@pytest.mark.parametrize(
    "name",
    [
        "kube-apiserver.weave.local",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "localhost",
        "127.0.0.1",
        "10.96.0.1",
        "api.example.com",
        "203.0.113.7",
    ],
)
def test_apiserver_serves_under_every_name(documents, name):
    document = documents["kube-apiserver"]
    assert verify_server(document["server.crt"], documents["kubelet"]["ca.crt"], name)
    assert same_key(document["server.crt"], document["server.key"])


def test_apiserver_serves_under_no_other_name(documents):
    with pytest.raises(verification.VerificationError):
        verify_server(documents["kube-apiserver"]["server.crt"], documents["kubelet"]["ca.crt"], "example.com")


def test_a_certificate_is_worth_nothing_under_another_authority(documents):
    for document, stem, _ in CLIENTS:
        crt = documents[document][f"{stem}.crt"]
        foreign = documents["kube-controller-manager"]["kubelet-serving-ca.crt"]
        with pytest.raises(verification.VerificationError):
            verify_client(crt, foreign)


def test_identities(documents):
    def of(document, file):
        return identity(documents[document][file])

    assert of("kube-apiserver", "etcd-client.crt") == ("kube-apiserver", [])
    assert of("kube-apiserver", "kubelet-client.crt") == ("kube-apiserver-kubelet-client", ["anywhere:kubelet-api"])
    assert of("kube-apiserver", "front-proxy-client.crt") == ("front-proxy-client", [])
    assert of("addons", "client.crt") == ("anywhere-addons", ["system:masters"])


def test_the_apiserver_takes_clients_of_two_authorities(documents, secrets):
    found = {
        c.public_bytes(serialization.Encoding.PEM).decode() for c in certificates(documents["kube-apiserver"]["ca.crt"])
    }
    assert found == {secrets.authorities["kubernetes"].crt, secrets.authorities["kubelet-client"].crt}


def test_the_controller_manager_can_sign_kubelets(documents):
    manager = documents["kube-controller-manager"]
    for stem in ("kubelet-client-ca", "kubelet-serving-ca"):
        assert same_key(manager[f"{stem}.crt"], manager[f"{stem}.key"])
    assert manager["kubelet-serving-ca.crt"] == documents["kube-apiserver"]["kubelet-serving-ca.crt"]
    assert manager["kubelet-client-ca.crt"] in documents["kube-apiserver"]["ca.crt"]


def test_authorities_are_separate_and_may_sign_only_leaves(secrets):
    assert set(secrets.authorities) == AUTHORITIES
    assert len({pair.key for pair in secrets.authorities.values()}) == 5
    for pair in secrets.authorities.values():
        (ca,) = certificates(pair.crt)
        constraints = ca.extensions.get_extension_for_class(x509.BasicConstraints)
        usage = ca.extensions.get_extension_for_class(x509.KeyUsage).value
        assert constraints.critical and constraints.value == x509.BasicConstraints(ca=True, path_length=0)
        assert usage.key_cert_sign and usage.crl_sign and not usage.digital_signature
        assert ca.not_valid_after_utc.year == 2036


def test_leaves_say_no_more_than_they_need(secrets):
    both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    wanted = {"etcd-server": both, "etcd-peer": both, "kube-apiserver": [ExtendedKeyUsageOID.SERVER_AUTH]}
    serials = set()
    for name, pair in secrets.leaves.items():
        (leaf,) = certificates(pair.crt)
        extensions = leaf.extensions
        assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == wanted.get(
            name, [ExtendedKeyUsageOID.CLIENT_AUTH]
        )
        assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        assert not extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
        assert isinstance(leaf.public_key().curve, ec.SECP256R1)
        assert leaf.not_valid_before_utc == NOW.replace(microsecond=0) - timedelta(minutes=5)
        assert timedelta(days=250) < leaf.not_valid_after_utc - NOW < timedelta(days=365)
        serials.add(leaf.serial_number)
    assert len(serials) == len(secrets.leaves)


COMPONENT_OF = {
    "etcd-server": "etcd",
    "etcd-peer": "etcd",
    "etcd-client": "etcd",
    "kube-apiserver-etcd-client": "kube-apiserver",
    "kube-apiserver-kubelet-client": "kube-apiserver",
    "front-proxy-client": "kube-apiserver",
}


def test_certificates_of_one_component_end_together_and_those_of_two_are_renewed_weeks_apart(secrets):
    ends: dict[str, set] = {}
    for name, pair in secrets.leaves.items():
        ends.setdefault(COMPONENT_OF.get(name, name), set()).add(certificates(pair.crt)[0].not_valid_after_utc)
    assert len(ends) == 6 and all(len(moments) == 1 for moments in ends.values())
    renewed = sorted((moment - NOW) * 2 / 3 for moments in ends.values() for moment in moments)
    assert all(later - earlier > timedelta(days=13) for earlier, later in itertools.pairwise(renewed))


def test_a_name_that_no_certificate_can_hold_is_an_error():
    with pytest.raises(UserError, match="not a name for a certificate"):
        pki.ensure(Secrets("a"), NOW, SERVICES, ("mäster",))
