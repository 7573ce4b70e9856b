"""The PKI as its users see it: certificates are parsed back, chains verified, documents read."""

import json
from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, ip_network

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from ruamel.yaml import YAML

from generator import pki
from generator.definition import Size
from generator.errors import UserError
from generator.store import Secrets
from generator.topology import Machine, Topology

NOW = datetime(2026, 3, 1, 12, 0, 0, 250, tzinfo=UTC)
SERVICES = ip_network("10.96.0.0/16")
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
    "kubelet": "ca.crt bootstrap-kubeconfig",
    "addons": "ca.crt client.crt client.key kubeconfig bootstrap-token.yaml",
    "weave": "password",
}

# document, its certificate, the CA file that its peers verify it by (another document's where it is not its own)
CLIENTS = [
    ("etcd", "peer", "etcd/ca.crt"),
    ("etcd", "client", "etcd/ca.crt"),
    ("kube-apiserver", "etcd-client", "etcd/ca.crt"),
    ("kube-apiserver", "kubelet-client", "kubelet/ca.crt"),
    ("kube-apiserver", "front-proxy-client", "kube-apiserver/front-proxy-ca.crt"),
    ("addons", "client", "kube-apiserver/server-ca.crt"),
]


def certificates(text):
    return x509.load_pem_x509_certificates(text.encode())


def verify_client(crt, ca, at=NOW):
    builder = verification.PolicyBuilder().store(verification.Store(certificates(ca))).time(at)
    # a client needs no alternative name, unlike on the web
    leaf_policy = verification.ExtensionPolicy.webpki_defaults_ee().may_be_present(
        x509.SubjectAlternativeName, verification.Criticality.AGNOSTIC, None
    )
    builder = builder.extension_policies(
        ca_policy=verification.ExtensionPolicy.webpki_defaults_ca(), ee_policy=leaf_policy
    )
    return builder.build_client_verifier().verify(certificates(crt)[0], [])


def verify_server(crt, ca, name, at=NOW):
    subject = x509.IPAddress(IPv4Address(name)) if name[0].isdigit() else x509.DNSName(name)
    builder = verification.PolicyBuilder().store(verification.Store(certificates(ca))).time(at)
    return builder.build_server_verifier(subject).verify(certificates(crt)[0], [])


def same_key(crt, key):
    public = serialization.load_pem_private_key(key.encode(), None).public_key()
    return certificates(crt)[0].public_key() == public


def identity(crt):
    subject = certificates(crt)[0].subject
    organizations = [a.value for a in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    return subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value, organizations


def yaml(text):
    return YAML(typ="safe").load(text)


def at(documents, path):
    document, file = path.split("/")
    return documents[document][file]


@pytest.fixture(scope="module")
def secrets():
    return pki.ensure(Secrets("star-wars"), NOW, SERVICES, ("api.example.com", "203.0.113.7"))


@pytest.fixture(scope="module")
def documents(secrets):
    return pki.documents(secrets)


def test_documents_have_exactly_the_agreed_files(documents):
    assert {name: sorted(files) for name, files in documents.items()} == {
        name: sorted(files.split()) for name, files in FILES.items()
    }


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


@pytest.mark.parametrize(
    ("document", "common_name", "organizations"),
    [
        ("kube-controller-manager", "system:kube-controller-manager", []),
        ("kube-scheduler", "system:kube-scheduler", []),
        ("addons", "anywhere-addons", ["system:masters"]),
    ],
)
def test_kubeconfigs_authenticate_to_the_api(documents, document, common_name, organizations):
    config = yaml(documents[document]["kubeconfig"])
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    crt = b64decode(user["client-certificate-data"]).decode()
    assert cluster["server"] == "https://kube-apiserver.weave.local:6443"
    assert b64decode(cluster["certificate-authority-data"]).decode() == documents["kubelet"]["ca.crt"]
    assert verify_client(crt, documents["kube-apiserver"]["ca.crt"])
    assert same_key(crt, b64decode(user["client-key-data"]).decode())
    assert identity(crt) == (common_name, organizations)


def test_kubeconfig_context_names_its_cluster_and_user(secrets):
    config = yaml(pki.admin_kubeconfig(secrets, "https://127.0.0.1:16443"))
    context = config["contexts"][0]
    assert config["current-context"] == context["name"] == "star-wars"
    assert context["context"] == {"cluster": config["clusters"][0]["name"], "user": config["users"][0]["name"]}


def test_admin_kubeconfig_is_for_an_address_of_the_callers(secrets):
    server = 'https://[::1]:6443/"odd\n'
    config = yaml(pki.admin_kubeconfig(secrets, server))
    cluster = config["clusters"][0]["cluster"]
    assert cluster["server"] == server
    assert cluster["tls-server-name"] == "kube-apiserver.weave.local"
    crt = b64decode(config["users"][0]["user"]["client-certificate-data"]).decode()
    assert identity(crt) == ("anywhere-admin", ["system:masters"])


def test_admin_kubeconfig_before_the_first_apply_says_so():
    with pytest.raises(UserError, match="no secrets yet"):
        pki.admin_kubeconfig(Secrets("star-wars"), "https://127.0.0.1:6443")


def test_the_apiserver_takes_clients_of_two_authorities(documents, secrets):
    found = {
        c.public_bytes(serialization.Encoding.PEM).decode() for c in certificates(documents["kube-apiserver"]["ca.crt"])
    }
    assert found == {secrets.authorities["kubernetes"].crt, secrets.authorities["kubelet-client"].crt}


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
    held["admin"] = publics(private_keys(pki.admin_kubeconfig(secrets, "https://127.0.0.1:6443")))
    assert all(held[name] for name in ("etcd", "kube-apiserver", "kube-scheduler", "addons", "admin"))
    for name in ROOTS_NEVER_GIVEN:
        assert [document for document, keys in held.items() if keys & authority[name]] == []
    for name in KUBELET_AUTHORITIES:
        assert [d for d, keys in held.items() if keys & authority[name]] == ["kube-controller-manager"]


def test_the_controller_manager_can_sign_kubelets(documents):
    manager = documents["kube-controller-manager"]
    for stem in ("kubelet-client-ca", "kubelet-serving-ca"):
        assert same_key(manager[f"{stem}.crt"], manager[f"{stem}.key"])
    assert manager["kubelet-serving-ca.crt"] == documents["kube-apiserver"]["kubelet-serving-ca.crt"]
    assert manager["kubelet-client-ca.crt"] in documents["kube-apiserver"]["ca.crt"]


def test_authorities_are_separate_and_may_sign_only_leaves(secrets):
    assert set(secrets.authorities) == {*ROOTS_NEVER_GIVEN, *KUBELET_AUTHORITIES}
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
        assert leaf.not_valid_after_utc == NOW.replace(microsecond=0) + timedelta(days=365)
        serials.add(leaf.serial_number)
    assert len(serials) == len(secrets.leaves)


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


def test_fresh_secrets_come_back_equal(secrets):
    again = pki.ensure(secrets, NOW + timedelta(days=6), SERVICES, ("203.0.113.7", "api.example.com"))
    assert again == secrets


def test_the_token_is_made_anew_after_seven_days_and_nothing_else(secrets):
    names = ("api.example.com", "203.0.113.7")
    assert pki.ensure(secrets, NOW + timedelta(days=8), SERVICES, names, pki.ANY_AGE) == secrets
    later = pki.ensure(secrets, NOW + timedelta(days=8), SERVICES, names)
    assert later.token.id != secrets.token.id
    assert replace(later, token=secrets.token) == secrets


def test_leaves_are_renewed_with_a_third_of_their_life_left_and_authorities_stay(secrets):
    names = ("api.example.com", "203.0.113.7")
    early = pki.ensure(secrets, NOW + timedelta(days=240), SERVICES, names)
    assert early.leaves == secrets.leaves
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
    later = pki.rotate(after, ["admin"], NOW + 2451 * day, SERVICES)
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
    rotated = pki.rotate(secrets, ["kube-scheduler"], NOW, SERVICES, names)
    assert {n for n, p in rotated.leaves.items() if p.key != secrets.leaves[n].key} == {"kube-scheduler"}
    assert replace(rotated, leaves=secrets.leaves) == secrets


def test_rotate_of_an_unknown_name_lists_the_known(secrets):
    with pytest.raises(UserError, match="'kube-shedular'") as caught:
        pki.rotate(secrets, ["kube-shedular"], NOW, SERVICES)
    assert "kube-scheduler" in caught.value.hint


def test_a_name_that_no_certificate_can_hold_is_an_error():
    with pytest.raises(UserError, match="no name for a certificate"):
        pki.ensure(Secrets("a"), NOW, SERVICES, ("mäster",))


def test_version_follows_content_and_not_order(documents):
    document = documents["kubelet"]
    version = pki.version(document)
    assert version == pki.version(dict(reversed(document.items())))
    assert version != pki.version({**document, "ca.crt": document["ca.crt"] + "\n"})
    assert len(version) == 12 and int(version, 16) < 2**53


def test_expiries_name_everything_that_ends_soonest_first(secrets):
    found = pki.expiries(secrets)
    assert len(found) == len(secrets.leaves) + len(secrets.authorities)  # a token's age is no matter
    assert [moment for _, moment in found] == sorted(moment for _, moment in found)
    assert pki.expiries(Secrets("star-wars")) == ()


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
    assert set(pki.readers(apart)) == set(FILES)
    for component in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "addons"):
        assert pki.readers(apart)[component] == ("master",)
    assert pki.readers(apart)["kubelet"] == ("master", "worker")
    assert pki.readers(apart)["weave"] == ("etcd", "master", "worker")
