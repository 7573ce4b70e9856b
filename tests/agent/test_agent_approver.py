"""Which certificate requests of kubelets are approved: real requests, described by the real openssl."""

import base64
import ipaddress

import pytest
from agent import approver
from agent.approver import SIGNER, approve
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NETWORKS = [ipaddress.IPv4Network("10.20.0.0/16"), ipaddress.IPv4Network("10.32.0.0/12")]
KEY = ec.generate_private_key(ec.SECP256R1())
NODE = "system:node:worker-general-1"
NAME = x509.DNSName("worker-general-1")
ADDRESS = x509.IPAddress(ipaddress.ip_address("10.20.4.1"))
USUAL = (("O", "system:nodes"), ("CN", NODE))
OIDS = {"O": NameOID.ORGANIZATION_NAME, "CN": NameOID.COMMON_NAME, "OU": NameOID.ORGANIZATIONAL_UNIT_NAME}


def attributes(subject):
    return [x509.NameAttribute(OIDS[kind], value) for kind, value in subject]


def csr(subject=USUAL, names=(NAME, ADDRESS), rdns=None, password=None):
    name = x509.Name(rdns or attributes(subject))
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if password:
        builder = builder.add_attribute(x509.oid.AttributeOID.CHALLENGE_PASSWORD, password)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def request(pem, **changes):
    spec = {
        "signerName": SIGNER,
        "username": NODE,
        "groups": ["system:nodes", "system:authenticated"],
        "usages": ["digital signature", "server auth"],
        "request": base64.b64encode(pem).decode(),
    }
    return {"metadata": {"name": "csr-1"}, "spec": spec | changes}


class Api:
    def __init__(self):
        self.calls = []

    def call(self, method, path, body):
        self.calls.append((method, path, body["status"]["conditions"]))


def approved(asked):
    api = Api()
    approve(api, asked, NETWORKS)
    for method, path, conditions in api.calls:
        assert (method, path) == ("PUT", f"{approver.REQUESTS}/csr-1/approval")
        assert [(c["type"], c["status"]) for c in conditions] == [("Approved", "True")]
    return bool(api.calls)


@pytest.mark.parametrize(
    "pem",
    [
        csr(),
        csr(names=[ADDRESS]),
        csr(names=[NAME, ADDRESS, x509.IPAddress(ipaddress.ip_address("10.40.0.3"))]),
    ],
)
def test_its_own_name_and_addresses(pem):
    assert approved(request(pem))


def test_its_usages_with_an_rsa_key():
    assert approved(request(csr(), usages=["key encipherment", "digital signature", "server auth"]))


@pytest.mark.parametrize(
    "names",
    [
        (),
        [NAME],
        [x509.DNSName("worker-general-2"), ADDRESS],
        [x509.DNSName("kube-apiserver.weave.local"), ADDRESS],
        [NAME, x509.DNSName("other"), ADDRESS],
        [NAME, x509.DNSName("*"), ADDRESS],
        [NAME, ADDRESS, x509.IPAddress(ipaddress.ip_address("192.0.2.1"))],
        [NAME, x509.IPAddress(ipaddress.ip_address("127.0.0.1"))],
        [NAME, ADDRESS, x509.IPAddress(ipaddress.ip_address("2001:db8::1"))],
        [NAME, ADDRESS, x509.IPAddress(ipaddress.ip_address("::ffff:10.20.4.1"))],
        [NAME, ADDRESS, x509.UniformResourceIdentifier("https://example.com")],
        [NAME, ADDRESS, x509.RFC822Name("root@example.com")],
        [NAME, ADDRESS, x509.DirectoryName(x509.Name(attributes(USUAL)))],
        [NAME, ADDRESS, x509.RegisteredID(x509.ObjectIdentifier("1.2.3.4"))],
        [NAME, ADDRESS, x509.OtherName(x509.ObjectIdentifier("1.2.3.4"), b"\x0c\x01a")],
        [x509.DNSName("worker-general-1, DNS:evil"), ADDRESS],
        [x509.DNSName("worker-general-1\n    DNS:evil"), ADDRESS],
        [x509.DNSName("IP Address:10.20.4.9")],
        [x509.DNSName("worker-general-1, 10.20.4.9")],
    ],
)
def test_names_that_are_not_its_own(names):
    assert not approved(request(csr(names=names)))


@pytest.mark.parametrize(
    "subject",
    [
        (("O", "system:nodes"), ("CN", "system:node:worker-general-2")),
        (("O", "system:masters"), ("CN", NODE)),
        (("CN", NODE),),
        (("O", "system:nodes"),),
        (("O", "system:nodes"), ("CN", NODE), ("OU", "more")),
        (("OU", "more"), ("O", "system:nodes"), ("CN", NODE)),
        (("O", "system:masters, O=system:nodes"), ("CN", NODE)),
        (
            ("O", "system:nodes"),
            ("CN", f"{NODE} "),
        ),
    ],
)
def test_subjects_that_are_not_its_own(subject):
    assert not approved(request(csr(subject)))


@pytest.mark.parametrize("more", ["short", "longer than the name of the node, so that it comes last"])
def test_a_subject_with_more_in_one_part(more):
    rdns = [x509.RelativeDistinguishedName(attributes(USUAL[:1]))]
    rdns.append(x509.RelativeDistinguishedName(attributes((("CN", NODE), ("OU", more)))))
    assert not approved(request(csr(rdns=rdns)))


@pytest.mark.parametrize(
    "changes",
    [
        {"signerName": "kubernetes.io/kube-apiserver-client-kubelet"},
        {"signerName": "kubernetes.io/kube-apiserver-client"},
        {"signerName": "example.com/other"},
        {"username": "system:node:worker-general-2"},
        {"username": "anywhere-addons"},
        {"username": "system:serviceaccount:kube-system:default"},
        {"groups": ["system:authenticated"]},
        {"groups": []},
        {"usages": ["digital signature", "server auth", "client auth"]},
        {"usages": ["cert sign"]},
    ],
)
def test_askers_and_uses_that_are_not_for_it(changes):
    assert not approved(request(csr(), **changes))


def test_a_text_in_another_attribute_does_not_hide_names():
    forged = b"x\n        X509v3 Subject Alternative Name:\n    DNS:worker-general-1, IP Address:10.20.4.1\n"
    assert not approved(request(csr(names=[x509.DNSName("evil"), ADDRESS], password=forged)))


def test_what_was_decided_is_left_alone():
    for condition in ("Approved", "Denied"):
        assert not approved(request(csr()) | {"status": {"conditions": [{"type": condition}]}})
