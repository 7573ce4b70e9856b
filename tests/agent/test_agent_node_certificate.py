"""The first certificate of a master's kubelet."""

import json
from base64 import b64decode
from datetime import UTC, datetime
from ipaddress import IPv4Network

import pytest
from agent import bundle, node_certificate
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from steps import MACHINES

from generator import pki
from generator.store import Secrets

MASTER = MACHINES["master"]


@pytest.fixture
def documents(tmp_path, monkeypatch):
    """The secret documents of a cluster, on a master whose kubelet never ran."""
    found = pki.documents(pki.ensure(Secrets("star-wars"), datetime.now(UTC), IPv4Network("10.96.0.0/16")))
    monkeypatch.setattr(bundle, "secrets", lambda release, name: found[name])
    monkeypatch.setattr(node_certificate, "FOLDER", tmp_path / "kubelet")
    monkeypatch.setattr(node_certificate, "RUN", tmp_path / "run")
    return found


def made(tmp_path):
    node_certificate.ensure({}, MASTER)
    pem = (tmp_path / "kubelet" / "pki" / "kubelet-client-current.pem").read_bytes()
    return x509.load_pem_x509_certificate(pem), load_pem_private_key(pem, None)


def test_it_is_the_nodes_own_and_of_the_authority_that_the_api_believes(documents, tmp_path):
    certificate, key = made(tmp_path)
    names = {attribute.oid: attribute.value for attribute in certificate.subject}
    assert names == {NameOID.ORGANIZATION_NAME: "system:nodes", NameOID.COMMON_NAME: "system:node:master1"}
    authority = x509.load_pem_x509_certificate(documents["kube-controller-manager"]["kubelet-client-ca.crt"].encode())
    certificate.verify_directly_issued_by(authority)
    assert isinstance(key, ec.EllipticCurvePrivateKey) and key.public_key() == certificate.public_key()
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert life.days == node_certificate.DAYS


def test_only_root_reads_it_and_nothing_is_left_of_the_authoritys_key(documents, tmp_path):
    made(tmp_path)
    for path in (tmp_path / "kubelet" / "pki" / "kubelet-client-first.pem", tmp_path / "kubelet" / "kubeconfig"):
        assert path.stat().st_mode & 0o777 == 0o600
    assert list((tmp_path / "run").iterdir()) == []


def test_the_kubeconfig_leads_to_the_api_with_that_certificate(documents, tmp_path):
    made(tmp_path)
    kubeconfig = json.loads((tmp_path / "kubelet" / "kubeconfig").read_text())
    cluster, user = kubeconfig["clusters"][0]["cluster"], kubeconfig["users"][0]["user"]
    assert b64decode(cluster["certificate-authority-data"]).decode() == documents["kubelet"]["ca.crt"]
    assert (
        user["client-certificate"]
        == user["client-key"]
        == str(tmp_path / "kubelet" / "pki" / "kubelet-client-current.pem")
    )


def test_what_the_kubelet_has_is_left_alone(documents, tmp_path):
    first, _ = made(tmp_path)
    assert made(tmp_path)[0] == first


def test_an_interrupted_attempt_is_made_again(documents, tmp_path, monkeypatch):
    def power_cut(path, target):
        raise OSError("power cut")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="power cut"):
        patch.setattr(node_certificate, "link", power_cut)
        node_certificate.ensure({}, MASTER)
    assert made(tmp_path)
