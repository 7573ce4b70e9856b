"""The documents that machines read: which files, which secrets, and for whom."""

import json
from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Network

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from ruamel.yaml import YAML

from generator import agekey, pki
from generator.definition import Size
from generator.registry_login import Login
from generator.topology import Machine, Topology

ROOTS_NEVER_GIVEN = ("kubernetes", "etcd", "front-proxy")
KUBELET_AUTHORITIES = ("kubelet-client", "kubelet-serving")

FILES = {
    "etcd": "ca.crt server.crt server.key peer.crt peer.key client.crt client.key",
    "kube-apiserver": "ca.crt server-ca.crt server.crt server.key etcd-ca.crt etcd-client.crt etcd-client.key "
    "kubelet-serving-ca.crt kubelet-client.crt kubelet-client.key front-proxy-ca.crt front-proxy-client.crt "
    "front-proxy-client.key service-account.pub service-account.key encryption.yaml",
    "kube-controller-manager": "ca.crt kubeconfig kubelet-client-ca.crt kubelet-client-ca.key kubelet-serving-ca.crt "
    "kubelet-serving-ca.key service-account.key front-proxy-ca.crt",
    "kube-scheduler": "ca.crt kubeconfig front-proxy-ca.crt",
    "kubelet": "ca.crt bootstrap-kubeconfig kubeconfig client-ca.crt serving-ca.crt",
    "addons": "ca.crt client.crt client.key kubeconfig bootstrap-token.yaml",
    "snapshots": "recipient",
    "weave": "password",
}


def yaml(text):
    return YAML(typ="safe").load(text)


def test_documents_have_exactly_the_agreed_files(documents):
    assert {name: sorted(files) for name, files in documents.items()} == {
        name: sorted(files.split()) for name, files in FILES.items()
    }


def test_an_add_on_that_serves_has_a_certificate_of_the_cluster(secrets):
    now, services = datetime.now(UTC), IPv4Network("10.96.0.0/16")
    serving = pki.ensure(secrets, now, services, serving={"metrics-server": ("localhost", "10.96.0.11")})
    files = pki.documents(serving)["addons"]
    assert files.keys() - FILES["addons"].split() == {"metrics-server.crt", "metrics-server.key"}
    found = x509.load_pem_x509_certificate(files["metrics-server.crt"].encode())
    found.verify_directly_issued_by(x509.load_pem_x509_certificate(files["ca.crt"].encode()))
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    hosts = names.get_values_for_type(x509.DNSName)
    assert hosts[0] == "metrics-server.kube-system.svc" and "localhost" in hosts
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["10.96.0.11"]
    usages = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [x509.ExtendedKeyUsageOID.SERVER_AUTH]
    assert pki.ensure(serving, now, services, serving={"metrics-server": ("localhost", "10.96.0.11")}) == serving
    assert pki.ensure(serving, now, services, serving={"metrics-server": ()}) != serving
    assert pki.documents(pki.ensure(serving, now, services))["addons"].keys() == set(FILES["addons"].split())


def private_keys(text):
    """Every private key in `text`, those in base64 within a kubeconfig included, as PEM."""
    texts = [text]
    if text.startswith("apiVersion: v1\nkind: Config"):
        texts += [
            b64decode(u["user"]["client-key-data"]).decode()
            for u in yaml(text)["users"]
            if "client-key-data" in u["user"]
        ]
    return {t for t in texts if "PRIVATE KEY" in t}


def test_root_keys_are_in_no_document_and_kubelet_keys_in_the_controller_managers_alone(documents, secrets):
    def publics(keys):
        return {
            serialization.load_pem_private_key(key.encode(), None)
            .public_key()
            .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
            for key in keys
        }

    authority = {name: publics([pair.key]) for name, pair in secrets.authorities.items()}
    held = {
        document: publics(key for text in files.values() for key in private_keys(text))
        for document, files in documents.items()
    }
    held["admin"] = publics(private_keys(pki.admin_kubeconfig(secrets, "https://127.0.0.1:6443", "star-wars-aws")))
    assert all(held[name] for name in ("etcd", "kube-apiserver", "kube-scheduler", "addons", "admin"))
    for name in ROOTS_NEVER_GIVEN:
        assert [document for document, keys in held.items() if keys & authority[name]] == []
    for name in KUBELET_AUTHORITIES:
        assert [d for d, keys in held.items() if keys & authority[name]] == ["kube-controller-manager"]


def test_service_account_key_is_one_pair(documents):
    document = documents["kube-apiserver"]
    private = serialization.load_pem_private_key(document["service-account.key"].encode(), None)
    assert serialization.load_pem_public_key(document["service-account.pub"].encode()) == private.public_key()
    assert documents["kube-controller-manager"]["service-account.key"] == document["service-account.key"]


def test_secrets_are_encrypted_in_etcd_with_a_key_of_32_bytes(documents):
    config = yaml(documents["kube-apiserver"]["encryption.yaml"])
    (resource,) = config["resources"]
    first, last = resource["providers"]
    assert resource["resources"] == ["secrets"]
    assert len(b64decode(first["secretbox"]["keys"][0]["secret"], validate=True)) == 32
    assert last == {"identity": {}}


def test_bootstrap_token_is_the_same_for_kubelets_and_the_api(documents, secrets):
    manifest = yaml(documents["addons"]["bootstrap-token.yaml"])
    data = manifest["stringData"]
    token = yaml(documents["kubelet"]["bootstrap-kubeconfig"])["users"][0]["user"]["token"]
    assert token == f"{data['token-id']}.{data['token-secret']}"
    assert (len(data["token-id"]), len(data["token-secret"])) == (6, 16)
    assert manifest["metadata"] == {"name": f"bootstrap-token-{data['token-id']}", "namespace": "kube-system"}
    assert manifest["type"] == "bootstrap.kubernetes.io/token"
    assert data["expiration"] == "@EXPIRATION@"  # the masters' to say
    assert data["usage-bootstrap-authentication"] == data["usage-bootstrap-signing"] == "true"
    assert data["auth-extra-groups"] == "system:bootstrappers:anywhere"


def test_a_token_of_digits_alone_stays_text(secrets):
    digits = replace(secrets, token=replace(secrets.token, id="123456", secret="0123456789012345"))
    document = pki.documents(digits)
    data = yaml(document["addons"]["bootstrap-token.yaml"])["stringData"]
    assert (data["token-id"], data["token-secret"]) == ("123456", "0123456789012345")


def test_version_follows_content_and_not_order(documents):
    document = documents["kubelet"]
    version = pki.version(document)
    assert version == pki.version(dict(reversed(document.items())))
    assert version != pki.version({**document, "ca.crt": document["ca.crt"] + "\n"})
    assert len(version) == 12 and int(version, 16) < 2**53


def test_nothing_secret_shows_in_a_repr(secrets):
    shown = repr(secrets)
    assert "PRIVATE KEY" not in shown
    assert secrets.token.secret not in shown and not [key for key in secrets.keys.values() if key in shown]


def test_documents_are_json(documents):
    assert json.loads(json.dumps(documents)) == documents


def machine(name, role, *components):
    return Machine(name, role, 1, "", Size("tiny", 1, 1024, 10), "amd64", "10.20.0.11", {}, (), components)


def test_each_document_is_for_the_roles_that_run_it():
    apart = Topology((machine("etcd1", "etcd", "etcd"), machine("master1", "master", "kube-apiserver", "kubelet")))
    together = Topology((machine("master1", "master", "etcd", "kube-apiserver", "kubelet"),))
    assert pki.readers(apart)["etcd"] == ("etcd",)
    assert pki.readers(together)["etcd"] == ("master",)
    assert set(pki.readers(apart)) == {*FILES, "registry", "restore"}
    for component in ("snapshots", "restore"):
        assert pki.readers(apart)[component] == ("etcd",)
        assert pki.readers(together)[component] == ("master",)
    for component in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "addons"):
        assert pki.readers(apart)[component] == ("master",)
    assert pki.readers(apart)["kubelet"] == ("master", "worker")
    for component in ("weave", "registry"):
        assert pki.readers(apart)[component] == ("etcd", "master", "worker")


def test_every_document_has_a_secret_that_nobody_finds_by_trying(secrets):
    """Its version, a digest of it, is public."""
    documents = pki.documents(secrets, Login("registry.example.com", "puller", "guessed"))
    long = {secrets.keys["weave"], secrets.token.secret, documents["registry"]["salt"]}
    assert len(secrets.keys["weave"]) == 64 and len(secrets.token.secret) == 16  # 256 and 82 bits of chance
    assert len(documents["registry"]["salt"]) == 64
    assert documents.pop("snapshots").keys() == {"recipient"}  # public itself
    for name, document in documents.items():
        text = "".join(document.values())
        assert any(secret in text for secret in long) or any(map(private_keys, document.values())), name


def test_what_machines_encrypt_snapshots_to_opens_with_what_they_restore_with(secrets):
    public, private = pki.documents(secrets)["snapshots"]["recipient"], pki.restoring(secrets)["identity"]
    assert public.startswith("age1") and private.startswith("AGE-SECRET-KEY-1")
    assert agekey.recipient(private) == public
    assert not any(private in text for document in pki.documents(secrets).values() for text in document.values())
