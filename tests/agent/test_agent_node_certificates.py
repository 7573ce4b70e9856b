"""A kubelet's own certificates: a master's first one, and what becomes of them after their authorities were rotated.

Real certificates, made and judged by the real openssl.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from agent import bundle, containers, host, node_certificates
from agent.node_certificates import forget_foreign, sign_first
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from steps import MACHINES

from generator.pki import certificate
from generator.pki.certificate import CLIENT, Leaf

NOW = datetime.now(UTC)
OLD, NEW = (certificate.authority("kubelet-client", "star-wars", NOW) for _ in range(2))  # of the same name
SERVING = certificate.authority("kubelet-serving", "star-wars", NOW)
FILES = {"client-ca.crt": NEW.crt, "serving-ca.crt": SERVING.crt}


def issued(authority, at=NOW, days=90):
    leaf = Leaf("", "system:node:master1", (CLIENT,), ("system:nodes",), life=timedelta(days=days))
    pair = certificate.issue(leaf, authority, at)
    return pair.crt + pair.key


@pytest.fixture
def kubelet(tmp_path, monkeypatch):
    """The two certificates, as links to files with a date."""
    paths = {}
    for kind, name in (("client", "CLIENT"), ("server", "SERVER")):
        path, dated = tmp_path / f"kubelet-{kind}-current.pem", tmp_path / f"kubelet-{kind}-2026-03-01.pem"
        dated.write_text(issued(NEW if kind == "client" else SERVING))
        path.symlink_to(dated)
        monkeypatch.setattr(node_certificates, name, path)
        paths[kind] = path
    monkeypatch.setattr(node_certificates, "RUN", tmp_path)
    authorities = {paths["client"]: "client-ca.crt", paths["server"]: "serving-ca.crt"}
    monkeypatch.setattr(node_certificates, "AUTHORITIES", authorities)
    return paths


def there(kubelet):
    return {kind for kind, path in kubelet.items() if path.exists()}


@pytest.mark.parametrize("text", ["-current.pem", "/etc/anywhere/ca.crt", "/var/lib/kubelet/pki"])
def test_where_they_are_stands_in_one_place(text):
    agent = Path(node_certificates.__file__).parent
    named = {path.name for path in agent.rglob("*.py") if text in path.read_text()}
    assert named == {"node_certificates.py"}


def test_certificates_of_the_present_authorities_stay(kubelet):
    forget_foreign(FILES)
    assert there(kubelet) == {"client", "server"}


def test_one_of_another_authority_goes_although_that_has_the_same_name(kubelet, capsys):
    kubelet["client"].write_text(issued(OLD))
    forget_foreign(FILES)
    assert there(kubelet) == {"server"}
    assert "kubelet-client-current.pem is of another authority" in capsys.readouterr().out
    forget_foreign(FILES)  # none is there yet
    assert there(kubelet) == {"server"}


def test_one_that_has_expired_or_whose_authority_was_renewed_is_the_kubelets_own_business(kubelet):
    kubelet["client"].write_text(issued(NEW, NOW - timedelta(days=100), 1))
    later = certificate.authority("kubelet-client", "star-wars", NOW + timedelta(days=9), NEW.key)
    forget_foreign(FILES | {"client-ca.crt": later.crt})
    assert there(kubelet) == {"client", "server"}


def test_what_is_no_certificate_goes(kubelet):
    kubelet["server"].write_text("half a cert")
    forget_foreign(FILES)
    assert there(kubelet) == {"client"}


@pytest.mark.parametrize(("component", "left"), [("kubelet", {"server"}), ("kube-proxy", {"client", "server"})])
def test_it_happens_before_a_kubelet_starts_and_no_sooner(kubelet, monkeypatch, component, left):
    """Until then the kubelet that runs, and the machine's turn, need the certificate."""
    kubelet["client"].write_text(issued(OLD))
    monkeypatch.setattr(bundle, "secrets", lambda release, name: FILES)
    monkeypatch.setattr(containers, "settings", lambda *_: {"Labels": {}})
    monkeypatch.setattr(host, "wait", lambda *_: None)
    spec = {"component": component, "name": component, "secrets": "kubelet", "image": "hyperkube", "identity": "1"}
    spec |= {"stop_seconds": 1, "after": "", "needs": "", "health_seconds": 1}

    class Network:
        def engine(self, spec):
            return None

    wanted = containers._wanted({"images": {"hyperkube": {}}}, spec, Network(), None, None)
    assert there(kubelet) == {"client", "server"}
    wanted.prepare()
    assert there(kubelet) == left


# The first one of a master


@pytest.fixture
def new(tmp_path, monkeypatch):
    """A master whose kubelet never ran: where its certificate is to be."""
    path = tmp_path / "pki" / "kubelet-client-current.pem"
    monkeypatch.setattr(node_certificates, "CLIENT", path)
    monkeypatch.setattr(node_certificates, "RUN", tmp_path / "run")
    monkeypatch.setattr(bundle, "secrets", lambda release, name: SIGNER[name])
    return path


SIGNER = {"kube-controller-manager": {"kubelet-client-ca.crt": NEW.crt, "kubelet-client-ca.key": NEW.key}}


def signed(path):
    """The certificate and its key that a new master has."""
    sign_first({}, MACHINES["master"])
    return x509.load_pem_x509_certificate(path.read_bytes()), load_pem_private_key(path.read_bytes(), None)


def test_a_masters_first_is_its_nodes_own_and_of_the_authority_that_the_api_believes(new):
    made, key = signed(new)
    names = {attribute.oid: attribute.value for attribute in made.subject}
    assert names == {NameOID.ORGANIZATION_NAME: "system:nodes", NameOID.COMMON_NAME: "system:node:master1"}
    made.verify_directly_issued_by(x509.load_pem_x509_certificate(NEW.crt.encode()))
    assert key.public_key() == made.public_key()
    assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usages = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert (made.not_valid_after_utc - made.not_valid_before_utc).days == node_certificates.DAYS


def test_only_root_reads_it_and_nothing_is_left_of_the_authoritys_key(new, tmp_path):
    signed(new)
    assert new.resolve().stat().st_mode & 0o777 == 0o600
    assert list((tmp_path / "run").iterdir()) == []


def test_what_the_kubelet_has_is_left_alone(new):
    assert signed(new)[0] == signed(new)[0]


def test_an_attempt_that_was_interrupted_is_made_again(new, monkeypatch):
    def power_cut(path, target):
        raise OSError("power cut")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="power cut"):
        patch.setattr(node_certificates, "link", power_cut)
        sign_first({}, MACHINES["master"])
    assert signed(new)
