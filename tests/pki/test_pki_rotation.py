"""A rotation, phase by phase: who trusts whom then, and what the documents of components have."""

import itertools
import shutil
import subprocess
from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.x509.verification import VerificationError
from ruamel.yaml import YAML

from generator import pki
from generator.errors import UserError
from generator.pki import Person, rotation
from generator.pki.person import LONGEST
from generator.store import Phase, Rotation
from tests.pki.certificates import NOW, SERVICES, certificates, same_key, verify_client, verify_server

NAMES = ("api.example.com", "203.0.113.7")
LATER = NOW + timedelta(days=1)
AUTHORITIES = ("kubernetes", "etcd", "front-proxy", "kubelet-client", "kubelet-serving")
OVERLAPPING = [*(f"ca {name}" for name in AUTHORITIES), "service-account", "encryption"]
AT_ONCE = ["leaves", "weave", "bootstrap-token"]


def ensured(secrets, now=LATER):
    return pki.ensure(secrets, now, SERVICES, NAMES)


def steps(secrets, subject):
    """The secrets in each phase of a rotation, by phase; and once it is over, by None."""
    found = {}
    secrets = ensured(rotation.begin(secrets, subject, LATER))
    while secrets.rotation:
        found[secrets.rotation.phase] = secrets
        secrets = ensured(rotation.advance(rotation.rolled_out(secrets, LATER), LATER))
    return {**found, None: secrets}


@pytest.fixture(scope="module", params=AUTHORITIES)
def rotated(request, secrets):
    return request.param, steps(secrets, f"ca {request.param}")


def pems(text):
    return {crt.public_bytes(serialization.Encoding.PEM).decode() for crt in certificates(text)}


@pytest.mark.parametrize("subject", OVERLAPPING + AT_ONCE)
def test_phases_come_in_order_and_leave_nothing_behind(secrets, subject):
    found = steps(secrets, subject)
    assert [*found] == ([*Phase, None] if subject in OVERLAPPING else [Phase.ISSUE, None])
    assert [step.generation for step in found.values()] == [*range(1, len(found)), len(found) - 1]
    last = [*found][-2]
    assert replace(found[last], rotation=None) == found[None]  # forgetting the rotation changes no document
    assert pki.documents(found[last]) == pki.documents(found[None])


@pytest.mark.parametrize("subject", OVERLAPPING + AT_ONCE)
def test_what_is_not_rotated_stays(secrets, subject):
    last = steps(secrets, subject)[None]
    for name in AUTHORITIES:
        assert (last.authorities[name] == secrets.authorities[name]) == (subject != f"ca {name}")
    for name, key in secrets.keys.items():
        assert (last.keys[name] == key) == (subject != name)
    assert (last.token == secrets.token) == (subject != "bootstrap-token")
    if not subject.startswith("ca "):
        assert all((last.leaves[n] == pair) == (subject != "leaves") for n, pair in secrets.leaves.items())


def test_secrets_in_the_middle_of_a_rotation_come_back_equal_from_every_apply(secrets):
    """An ordinary apply keeps the phase that was reached."""
    for subject in OVERLAPPING + AT_ONCE:
        for step in steps(secrets, subject).values():
            assert ensured(step) == step


def test_the_old_and_the_new_authority_are_trusted_before_the_new_one_issues(rotated, secrets):
    name, step = rotated
    old, new = secrets.authorities[name], step[Phase.ISSUE].authorities[name]
    assert step[Phase.TRUST].authorities == secrets.authorities and step[Phase.TRUST].leaves == secrets.leaves
    assert step[Phase.TRUST].rotation.pair == new and new.key != old.key
    for phase in (Phase.TRUST, Phase.ISSUE):
        assert [pair.crt for pair in rotation.trusted(step[phase], name)] == [old.crt, new.crt]
    assert [pair.crt for pair in rotation.trusted(step[Phase.DROP], name)] == [new.crt]
    assert step[Phase.ISSUE].rotation.pair.key == ""  # it signs nothing any more
    for other in set(AUTHORITIES) - {name}:
        assert rotation.trusted(step[Phase.TRUST], other) == (secrets.authorities[other],)


# document and certificate -> the files that those have it verified by
SHOWN = {
    "etcd": [("etcd", "peer", "etcd", "ca.crt"), ("kube-apiserver", "etcd-client", "etcd", "ca.crt")],
    "kubernetes": [
        ("kube-apiserver", "kubelet-client", "kubelet", "ca.crt"),
        ("addons", "client", "kube-apiserver", "ca.crt"),
    ],
    "front-proxy": [
        ("kube-apiserver", "front-proxy-client", reader, "front-proxy-ca.crt")
        for reader in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
    ],
}


def accepted(holder, reader, name):
    """Whether all certificates of one step are accepted by those of another."""
    return [
        verify_client(holder[document][f"{stem}.crt"], reader[trusting][file], LATER)
        for document, stem, trusting, file in SHOWN[name]
    ]


@pytest.mark.parametrize("name", SHOWN)
def test_neighbouring_phases_accept_each_other_and_the_first_and_last_do_not(secrets, name):
    found = [secrets, *steps(secrets, f"ca {name}").values()]
    documents = [pki.documents(step) for step in found]
    for one, other in itertools.pairwise(documents):
        assert accepted(one, other, name) and accepted(other, one, name)
    before, trust, issue, drop, _ = documents
    assert accepted(issue, trust, name)  # a leaf of the new CA, by the bundle of the first phase
    assert accepted(before, issue, name)  # a leaf of the old one, until the last
    for one, other in ((before, drop), (issue, before), (trust, drop)):
        with pytest.raises(VerificationError):
            accepted(one, other, name)


def test_servers_are_accepted_by_their_clients_from_phase_to_phase(secrets):
    for name, document, reader, file, host in (
        ("etcd", "etcd", "kube-apiserver", "etcd-ca.crt", "etcd1.weave.local"),
        ("kubernetes", "kube-apiserver", "kubelet", "ca.crt", "kube-apiserver.weave.local"),
    ):
        documents = [pki.documents(step) for step in (secrets, *steps(secrets, f"ca {name}").values())]
        for one, other in itertools.pairwise(documents):
            verify_server(one[document]["server.crt"], other[reader][file], host, LATER)
            verify_server(other[document]["server.crt"], one[reader][file], host, LATER)


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_openssl_tells_two_authorities_of_one_name_apart(secrets, tmp_path):
    """The agent and curl verify by it, and both authorities have the same subject."""
    step = steps(secrets, "ca etcd")
    (tmp_path / "bundle.crt").write_text(pki.documents(step[Phase.TRUST])["etcd"]["ca.crt"])
    for phase in (Phase.TRUST, Phase.DROP):
        (tmp_path / "leaf.crt").write_text(step[phase].leaves["etcd-peer"].crt)
        command = ["openssl", "verify", "-no_check_time", "-CAfile", "bundle.crt", "leaf.crt"]
        assert subprocess.run(command, cwd=tmp_path, check=True, capture_output=True).stdout == b"leaf.crt: OK\n"


def test_issuing_changes_no_document_that_only_trusts(secrets):
    """So that nothing is started again which has nothing new."""
    step = steps(secrets, "ca kubelet-client")
    trust, issue = (pki.documents(step[phase]) for phase in (Phase.TRUST, Phase.ISSUE))
    assert {name for name in trust if trust[name] != issue[name]} == {"kube-controller-manager", "kubelet"}
    assert trust["kube-apiserver"]["ca.crt"] == issue["kube-apiserver"]["ca.crt"]


@pytest.mark.parametrize("kind", ["client", "serving"])
def test_kubelets_are_signed_for_by_the_new_authority_once_all_trust_it(secrets, kind):
    name = f"kubelet-{kind}"
    step = steps(secrets, f"ca {name}")
    old, new = secrets.authorities[name].crt, step[None].authorities[name].crt
    trusting = {"client": "ca.crt", "serving": "kubelet-serving-ca.crt"}[kind]
    signing = {Phase.TRUST: old, Phase.ISSUE: new, Phase.DROP: new, None: new}
    for phase, crt in signing.items():
        documents = pki.documents(step[phase])
        manager = documents["kube-controller-manager"]
        assert manager[f"{name}-ca.crt"] == crt and same_key(crt, manager[f"{name}-ca.key"])
        assert documents["kubelet"][f"{kind}-ca.crt"] == crt
        both = phase in (Phase.TRUST, Phase.ISSUE)
        found = pems(documents["kube-apiserver"][trusting])
        assert new in found and (old in found) == both


def test_a_kubelets_kubeconfigs_and_people_trust_both_during_the_rotation(secrets):
    step = steps(secrets, "ca kubernetes")
    for phase, count in ((Phase.TRUST, 2), (Phase.ISSUE, 2), (Phase.DROP, 1)):
        documents = pki.documents(step[phase])
        person = Person.of("alice", (), "8h")
        granted = pki.grant(step[phase], "https://203.0.113.7", person, "c", LATER).kubeconfig
        texts = [documents["kubelet"][name] for name in ("kubeconfig", "bootstrap-kubeconfig")]
        texts += [documents[name]["kubeconfig"] for name in ("addons", "kube-scheduler", "kube-controller-manager")]
        texts += [pki.admin_kubeconfig(step[phase], "https://203.0.113.7", "c"), granted]
        for text in texts:
            cluster = YAML(typ="safe").load(text)["clusters"][0]["cluster"]
            ca = b64decode(cluster["certificate-authority-data"]).decode()
            assert ca == documents["kubelet"]["ca.crt"] and len(pems(ca)) == count
        user = YAML(typ="safe").load(granted)["users"][0]["user"]
        crt = b64decode(user["client-certificate-data"]).decode()
        for other in (Phase.TRUST, Phase.ISSUE):
            verify_client(crt, pki.documents(step[other])["kube-apiserver"]["ca.crt"], LATER)
        last = pki.documents(step[Phase.DROP])["kube-apiserver"]["ca.crt"]
        if phase is Phase.TRUST:
            with pytest.raises(VerificationError):
                verify_client(crt, last, LATER)
        else:
            verify_client(crt, last, LATER)


def test_the_kubelets_kubeconfig_reads_its_certificate_where_the_kubelet_renews_it(documents):
    user = YAML(typ="safe").load(documents["kubelet"]["kubeconfig"])["users"][0]["user"]
    assert user == dict.fromkeys(
        ("client-certificate", "client-key"), "/var/lib/kubelet/pki/kubelet-client-current.pem"
    )


def publics(text):
    return [f"-----BEGIN{part}" for part in text.split("-----BEGIN")[1:]]


def test_tokens_of_pods_are_signed_by_the_new_key_once_every_api_server_knows_it(secrets):
    step = steps(secrets, "service-account")
    old, new = secrets.keys["service-account"], step[None].keys["service-account"]
    for phase, signing, known in (
        (Phase.TRUST, old, {old, new}),
        (Phase.ISSUE, new, {old, new}),
        (Phase.DROP, new, {new}),
    ):
        documents = pki.documents(step[phase])
        assert documents["kube-apiserver"]["service-account.key"] == signing
        assert documents["kube-controller-manager"]["service-account.key"] == signing
        found = publics(documents["kube-apiserver"]["service-account.pub"])
        assert sorted(found) == sorted(pki.certificate.public_pem(key) for key in known)


def test_secrets_are_read_by_both_keys_and_written_by_the_new_one_once_all_know_it(secrets):
    step = steps(secrets, "encryption")
    new = step[None].keys["encryption"].removeprefix("key2:")
    old = secrets.keys["encryption"]
    for phase, wanted in (
        (Phase.TRUST, [("key1", old), ("key2", new)]),
        (Phase.ISSUE, [("key2", new), ("key1", old)]),
        (Phase.DROP, [("key2", new)]),
    ):
        config = YAML(typ="safe").load(pki.documents(step[phase])["kube-apiserver"]["encryption.yaml"])
        box, plain = config["resources"][0]["providers"]
        assert [(key["name"], key["secret"]) for key in box["secretbox"]["keys"]] == wanted
        assert plain == {"identity": {}} and len(b64decode(new, validate=True)) == 32
    assert {phase: found.encrypted is not None for phase, found in step.items()} == {
        Phase.TRUST: False,
        Phase.ISSUE: False,
        Phase.DROP: True,
        None: True,
    }
    again = steps(step[None], "encryption")[None]
    assert again.keys["encryption"].startswith("key3:")


def test_a_bootstrap_token_is_made_anew_and_the_old_one_is_known_by_its_id(secrets):
    step = steps(secrets, "bootstrap-token")
    assert step[Phase.ISSUE].rotation.key == secrets.token.id != step[None].token.id


def test_a_rotation_works_although_everything_has_expired(secrets):
    """The API is down then: what is old is renewed in the first phase, by the authority that machines trust."""
    late = NOW + timedelta(days=4000)
    begun = pki.ensure(rotation.begin(secrets, "ca etcd", late), late, SERVICES, NAMES)
    before, after = pki.documents(secrets), pki.documents(begun)
    assert verify_client(after["etcd"]["peer.crt"], after["etcd"]["ca.crt"], late)
    assert begun.authorities["etcd"].key == secrets.authorities["etcd"].key
    assert before["etcd"]["peer.crt"] != after["etcd"]["peer.crt"]
    issued = pki.ensure(rotation.advance(begun, late), late, SERVICES, NAMES)
    assert verify_client(pki.documents(issued)["etcd"]["peer.crt"], after["etcd"]["ca.crt"], late)


def test_what_is_waited_for_counts_from_when_a_phase_was_everywhere(secrets):
    step = steps(secrets, "service-account")
    assert rotation.held(step[Phase.ISSUE].rotation) is None  # nobody has seen it everywhere yet
    out = rotation.rolled_out(step[Phase.ISSUE], LATER)
    until, why = rotation.held(out.rotation)
    assert until == LATER.replace(microsecond=0) + timedelta(minutes=75) and "tokens" in why
    assert rotation.held(rotation.rolled_out(step[Phase.TRUST], LATER).rotation) is None
    kubernetes = steps(secrets, "ca kubernetes")
    until, _ = rotation.held(rotation.rolled_out(kubernetes[Phase.ISSUE], LATER).rotation)
    assert until == LATER.replace(microsecond=0) + LONGEST
    assert rotation.held(rotation.rolled_out(kubernetes[Phase.DROP], LATER).rotation) is None


def test_a_second_rotation_is_never_begun_beside_one(secrets):
    with pytest.raises(ValueError, match="one rotation at a time"):
        rotation.begin(rotation.begin(secrets, "leaves", NOW), "weave", NOW)


def test_an_authority_that_there_is_not_lists_those_that_there_are(secrets):
    rotation.check(rotation.of_authority("etcd"), AUTHORITIES)
    with pytest.raises(UserError, match="'ectd'") as refused:
        rotation.check(rotation.of_authority("ectd"), AUTHORITIES)
    assert "etcd, front-proxy" in refused.value.hint


def test_phases_are_described_in_words():
    said = [rotation.describe("ca etcd", phase) for phase in Phase]
    assert said[0] == "step 1 of 3: trust the new one beside the old one"
    assert said[2] == "step 3 of 3: drop the old one"
    assert rotation.describe("weave", Phase.ISSUE).startswith("step 1 of 1: make a new one; machines do not reach")
    titles = [rotation.title(subject) for subject in OVERLAPPING + AT_ONCE]
    assert titles[1] == "the etcd CA" and len(set(titles)) == len(titles)


@pytest.mark.parametrize(
    ("subject", "phase", "done", "said"),
    [
        (
            "ca etcd",
            Phase.TRUST,
            False,
            "is at step 1 of 3: trust the new one beside the old one (begun). Go on with it: ",
        ),
        ("ca etcd", Phase.ISSUE, True, "(on every machine since 2026-03-01 12:00 UTC). Next is step 3 of 3: drop the"),
        ("service-account", Phase.ISSUE, True, "Next is step 3 of 3: drop the old one, from 2026-03-01 13:15 UTC on: "),
        ("leaves", Phase.ISSUE, False, "is at step 1 of 1: make new ones (begun). Go on with it: "),
        ("encryption", Phase.DROP, False, "is at step 3 of 3: drop the old one (begun). Go on with it: "),
    ],
)
def test_which_step_is_next_is_said(subject, phase, done, said):
    at = datetime(2026, 3, 1, 12, tzinfo=UTC) if done else None
    remark = rotation.remark(Rotation(subject, phase, rolled_out=at))
    assert said in remark and remark.endswith(f"`anywhere pki rotate --{subject}`.")
