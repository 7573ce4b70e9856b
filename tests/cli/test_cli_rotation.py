"""`anywhere pki rotate`: one phase after the other, interrupted anywhere, and what stands in its way."""

import io
import json
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from generator import applied, lock, pki, render, store, terraform_state
from generator.cli.phases import show
from generator.errors import UserError
from generator.operations import cluster_secrets, keeping, key_rotation, lock_file, project
from generator.operations.release_progress import STATUS
from generator.pki import Renewal, rotation
from generator.store import Phase
from tests.cli.target import Nowhere, run
from tests.cli.test_cli_field_changes import APPLIED
from tests.test_kubernetes import Api

OVERLAPPING = ["ca etcd", "ca kubernetes", "ca kubelet-client", "service-account", "encryption"]
AT_ONCE = ["leaves", "bootstrap-token"]


class Interruption(BaseException):
    """Somebody pressed Ctrl-C."""


class World:
    """Machines that have whatever was applied last; `generations` are all that they had.

    A run is interrupted at the event number `stop`, which is before or after a write or an apply.
    """

    def __init__(self, opened):
        self.project, self.progress = opened, show(io.StringIO())
        self.generations, self.handed, self.events, self.stop = [0], [], 0, None

    def event(self):
        self.events += 1
        if self.events == self.stop:
            raise Interruption

    def applying(self, change, words):
        known = lock_file.known(self.project)
        prepared = cluster_secrets.prepare(self.project, known, Renewal.ALL, change)
        recorded = cluster_secrets.recorded(known, prepared.known, "local")
        keeping.keep(self.project, known, recorded, prepared, self.progress)
        fields = applied.compare(self.fields(known), self.fields(recorded), "local")
        assert not [each for each in fields if each.effect == "never"]
        self.event()
        if prepared.secrets.generation != self.generations[-1]:
            self.generations.append(prepared.secrets.generation)
        self.event()
        return SimpleNamespace(project=self.project, secrets=prepared, workspace=None, kubeconfig=None)

    def fields(self, locked):
        return applied.fields(self.project.definition, locked, "local")

    def rotate(self, subject, at_once=True):
        return key_rotation.run(self.project, subject, self.applying, self.progress, 20, at_once=at_once)

    @property
    def secrets(self):
        return store.read(self.project.definition.path, "quickstart").targets["local"]


@pytest.fixture
def world(nowhere, definition, monkeypatch):
    made = World(project.open_project(definition, "local", None))

    @contextmanager
    def client(kubeconfig):
        yield None

    monkeypatch.setattr(key_rotation.cluster_api, "client", client)
    monkeypatch.setattr(key_rotation, "closing", lambda opened: opened)
    monkeypatch.setattr(key_rotation.release_progress, "wait", lambda *_: None)

    def hand_over(what):
        made.event()
        made.handed.append(what.secrets.rotation.phase)

    monkeypatch.setattr(key_rotation.handover, "run", hand_over)
    made.project.folder.mkdir(parents=True)
    state = {"resources": [{}], "outputs": {"cluster": {"value": "quickstart", "type": "string"}}}
    (made.project.folder / terraform_state.FILE).write_text(json.dumps(state))  # it was applied
    for module in (store, keeping.locks):
        name = "_write" if module is store else "write"
        usual = getattr(module, name)

        def write(*words, usual=usual):
            made.event()
            usual(*words)
            made.event()

        monkeypatch.setattr(module, name, write)
    return made


@pytest.mark.parametrize("subject", OVERLAPPING + AT_ONCE)
def test_every_phase_reaches_the_machines_in_order(world, subject):
    before = world.secrets
    assert world.rotate(subject) is None
    after, phases = world.secrets, rotation.phases(subject)
    assert world.generations == [*range(len(phases) + 1)] and world.handed == [*phases]
    assert after.rotation is None and after.generation == len(phases) and after != before
    recorded = lock.read(lock.path_beside(world.project.definition.path)).secrets.targets["local"]
    assert recorded.authorities == pki.fingerprints(after) and recorded.generation == len(phases)
    documents = pki.documents(after)
    assert recorded.documents == {name: pki.version(document) for name, document in documents.items()}


@pytest.mark.parametrize("subject", ["ca etcd", "encryption", "leaves"])
def test_a_rotation_that_was_interrupted_anywhere_goes_on_and_repeats_no_phase(world, subject):
    first = store.path_beside(world.project.definition.path).read_bytes()
    path = lock.path_beside(world.project.definition.path)
    locked = path.read_bytes()
    world.rotate(subject)
    total = world.events
    for stop in range(1, total + 1):
        store.path_beside(world.project.definition.path).write_bytes(first)
        path.write_bytes(locked)
        world.generations, world.events, world.stop = [0], 0, stop
        with pytest.raises(Interruption):
            world.rotate(subject)
        world.stop = None
        if world.secrets.rotation or world.secrets.generation == 0:
            world.rotate("" if world.secrets.rotation else subject)
        phases = len(rotation.phases(subject))
        assert world.generations == [*range(phases + 1)], stop
        assert world.secrets.rotation is None and world.secrets.generation == phases
        recorded = lock.read(path).secrets.targets["local"]
        assert recorded.authorities == pki.fingerprints(world.secrets) and recorded.generation == phases


def test_an_apply_in_between_keeps_the_phase(world):
    world.stop = 13  # in the second phase
    with pytest.raises(Interruption):
        world.rotate("ca etcd")
    reached, world.stop = world.secrets, None
    assert reached.rotation.phase is Phase.ISSUE
    world.applying(cluster_secrets.unchanged, "")
    assert world.secrets == reached and world.generations == [0, 1, 2]


def test_another_rotation_is_refused_until_the_first_one_is_over(world):
    world.stop = 4
    with pytest.raises(Interruption):
        world.rotate("ca etcd")
    world.stop, before = None, world.secrets
    with pytest.raises(UserError, match="that of the etcd CA, which is at step 1 of 3") as refused:
        world.rotate("encryption")
    assert "Finish it: `anywhere pki rotate --ca etcd`" in refused.value.hint
    assert world.secrets == before
    assert world.rotate("") is None and world.secrets.rotation is None


def test_the_last_phase_waits_until_what_the_old_key_signed_has_ended(world, monkeypatch):
    pause = world.rotate("service-account", at_once=False)
    assert pause.following == "step 3 of 3: drop the old one" and "tokens" in pause.why
    assert timedelta(minutes=74) < pause.until - datetime.now(UTC) < timedelta(minutes=75)
    reached = world.secrets
    assert reached.rotation.phase is Phase.ISSUE and reached.rotation.rolled_out
    with pytest.raises(UserError, match="It is too early for step 3 of 3") as refused:
        world.rotate("", at_once=False)
    assert refused.value.hint.endswith(" `anywhere pki rotate --service-account --now`")
    assert world.secrets == reached
    past = replace(reached.rotation, rolled_out=datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=76))
    cluster_secrets.note(world.project, reached, replace(reached, rotation=past))
    assert world.rotate("", at_once=False) is None and world.generations == [0, 1, 2, 3]


def test_the_api_goes_on_with_its_certificate_until_pods_could_be_started_again(world):
    pause = world.rotate("ca kubernetes", at_once=False)
    assert pause.following.startswith("step 2 of 3") and "kubectl rollout restart" in pause.why
    assert world.generations == [0, 1]


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        ("", "No rotation is under way"),
        ("ca ectd", "no certificate authority 'ectd'"),
        ("weave", "no password of Weave"),
    ],
)
def test_what_cannot_be_rotated_is_refused(world, subject, said):
    before = world.secrets
    with pytest.raises(UserError, match=said):
        world.rotate(subject)
    assert world.secrets == before and world.events == 0


@pytest.mark.parametrize("kept", [True, False], ids=["secrets", "no secrets"])
def test_a_cluster_that_does_not_exist_is_not_made_by_a_rotation(nowhere, home, definition, kept, capsys):
    if not kept:
        store.update(definition, "quickstart", lambda found: replace(found, targets={}))
        path = lock.path_beside(definition)
        lock.write(path, replace(lock.read(path), secrets=None))
    before = {path.name: path.read_bytes() for path in home.iterdir() if path.is_file()}
    assert run("pki", "rotate", "--leaves", "--yes", "--timeout", "20") == 1
    err = capsys.readouterr().err
    assert "does not exist on local: no machine has keys" in err and "Make it first: `anywhere apply`." in err
    assert "plan ..." not in err
    assert {path.name: path.read_bytes() for path in home.iterdir() if path.is_file()} == before
    assert not (home / ".anywhere").exists()


def test_a_cluster_whose_state_is_elsewhere_is_not_taken_for_a_new_one(nowhere, monkeypatch, capsys):
    monkeypatch.setattr(nowhere, "there", ("machine master1",), raising=False)
    assert run("pki", "rotate", "--leaves", "--yes") == 1
    assert "has no Terraform state of it" in capsys.readouterr().err


@pytest.mark.parametrize(("subject", "older"), [("encryption", "secrets.age"), ("ca etcd", "lock.yaml")])
def test_a_store_and_a_lock_of_two_times_tell_which_to_bring_back(world, home, definition, capsys, subject, older):
    """The older one is to be replaced, never the newer one: no other file may have the keys that machines have."""
    name = f"cluster.{older}"
    old = (home / name).read_bytes()
    world.rotate(subject)
    (home / name).write_bytes(old)
    before = {path.name: path.read_bytes() for path in home.iterdir() if path.is_file()}
    for verb in (("plan",), ("render",), ("env",), ("secrets", "update"), ("pki", "rotate", "--leaves", "--yes")):
        assert run(*verb) == 1
        err = capsys.readouterr().err
        assert f"{name} is older than cluster." in err and f"git checkout HEAD -- {name}" in err
    assert {path.name: path.read_bytes() for path in home.iterdir() if path.is_file()} == before


@pytest.fixture
def cluster(nowhere, home, definition, monkeypatch):
    """A cluster that was applied, whose machines take each release at once and whose API takes what it is sent."""
    folder = home / ".anywhere/quickstart-local"

    def tree(wanted, locked, topology, target, secrets, *rest):
        versions = {name: entry["version"] for name, entry in secrets.items()}
        content = nowhere.main.replace("VALUE", json.dumps(versions).replace('"', "")) + APPLIED
        recorded = applied.document(applied.fields(wanted, locked, "local"))
        release = json.dumps({"secrets": versions}).encode()
        return {"machines.tf": content.encode(), "documents/release.json": release, "applied.json": recorded}

    def release():
        return project.Project(None, None, folder).release

    def answer(self):
        if self.path == STATUS:
            status = {"release": release(), "left": [], "stuck": {}, "halted": [], "retired": [], "members": []}
            Api.answers[STATUS] = json.dumps({"data": {"status": json.dumps(status)}}).encode()
        nowhere.asked.append(f"{self.command} {self.path}")
        length = int(self.headers.get("Content-Length", 0))
        nowhere.bodies.append(self.rfile.read(length))
        usual(self)

    usual, nowhere.asked, nowhere.bodies = Api.do_GET, [], []
    for verb in ("GET", "PUT", "PATCH", "DELETE"):
        monkeypatch.setattr(Api, f"do_{verb}", answer, raising=False)
    monkeypatch.setattr(render, "tree", tree)
    console = property(lambda self: f"anywhere: stage=ready t=9.0 release={release()} dns=ok\n")
    monkeypatch.setattr(Nowhere, "console", console)
    assert run("apply", "--yes", "--timeout", "20") == 0
    nowhere.asked.clear()
    return nowhere


def secrets_of(definition):
    return store.read(definition, "quickstart").targets["local"]


def test_an_authority_is_rotated_by_three_applies(cluster, definition, capsys):
    before = pki.fingerprints(secrets_of(definition))
    assert run("pki", "rotate", "--ca", "etcd", "--yes", "--timeout", "20") == 0
    printed = capsys.readouterr()
    assert [line.split("step ")[1][:6] for line in printed.err.splitlines() if "Rotation of the etcd CA" in line] == [
        "1 of 3",
        "2 of 3",
        "3 of 3",
    ]
    assert printed.out.endswith("The rotation is finished. Commit the lock and the secrets.\n")
    after = pki.fingerprints(secrets_of(definition))
    assert {name for name in before if before[name] != after[name]} == {"etcd"}
    assert run("plan", "--detailed-exitcode") == 0 and run("status") == 0
    assert "rotation" not in capsys.readouterr().out


def test_secrets_are_written_again_before_the_old_key_goes(cluster, definition, monkeypatch, capsys):
    listed = [{"metadata": {"namespace": "a", "name": f"s{number}"}, "data": {"k": "dg=="}} for number in (1, 2)]
    pages = {
        "/api/v1/secrets?limit=200": {"items": listed[:1], "metadata": {"continue": "more/"}},
        "/api/v1/secrets?limit=200&continue=more/": {"items": listed[1:], "metadata": {}},
        "/api/v1/namespaces/a/secrets/s1": listed[0],
        "/api/v1/namespaces/a/secrets/s2": listed[1],
    }
    monkeypatch.setattr(Api, "answers", Api.answers | {path: json.dumps(page).encode() for path, page in pages.items()})
    assert run("pki", "rotate", "--encryption", "--yes", "--timeout", "20") == 0
    assert [each for each in cluster.asked if each.startswith("PUT")] == [
        f"PUT /api/v1/namespaces/a/secrets/s{number}" for number in (1, 2)
    ]
    sent = [json.loads(body) for body in cluster.bodies if b'"Secret"' in body]
    assert sent == [{"apiVersion": "v1", "kind": "Secret", **each} for each in listed]
    assert secrets_of(definition).keys["encryption"].startswith("key2:")


def test_the_add_ons_are_started_again_with_the_new_authority(cluster, definition, monkeypatch, capsys):
    class Published(dict):
        """The controller manager publishes what machines have."""

        def get(self, path, default=None):
            if path.endswith("configmaps/kube-root-ca.crt"):
                ca = pki.documents(secrets_of(definition))["kube-controller-manager"]["ca.crt"]
                return json.dumps({"data": {"ca.crt": ca}}).encode()
            return super().get(path, default)

    coredns = "/apis/apps/v1/namespaces/kube-system/deployments/coredns"
    monkeypatch.setattr(Api, "answers", Published(Api.answers | {coredns: b"{}"}))
    assert run("pki", "rotate", "--ca", "kubernetes", "--yes", "--timeout", "20") == 0
    printed = capsys.readouterr()
    assert f"PATCH {coredns}" in cluster.asked
    assert "The rest of it, step 2 of 3" in printed.out and "kubectl rollout restart" in printed.out
    rotated = secrets_of(definition).rotation
    assert rotated.phase is Phase.TRUST and rotated.rolled_out
    assert run("pki", "rotate", "--timeout", "20") == 1
    assert "It is too early for step 2 of 3" in capsys.readouterr().err
    assert run("status") == 0
    said = "Next is step 2 of 3: use the new one, and still trust the old one, from 20"
    assert said in capsys.readouterr().out
    for verb in (("plan",), ("apply", "--yes", "--timeout", "20")):
        assert run(*verb) == 0
        assert said in capsys.readouterr().out
    assert run("status", "--json") == 0
    found = json.loads(capsys.readouterr().out)["rotation"]
    assert (found["subject"], found["phase"]) == ("ca kubernetes", "trust")


def test_a_token_that_is_replaced_is_deleted(cluster, definition, monkeypatch):
    old = secrets_of(definition).token
    path = f"/api/v1/namespaces/kube-system/secrets/bootstrap-token-{old.id}"
    monkeypatch.setattr(Api, "answers", Api.answers | {path: b"{}"})
    assert run("pki", "rotate", "--bootstrap-token", "--yes", "--timeout", "20") == 0
    assert f"DELETE {path}" in cluster.asked and secrets_of(definition).token != old


def test_secrets_of_before_a_phase_that_was_applied_are_refused(cluster, home, definition, capsys):
    """As of a checkout that nobody has pulled since: machines would go back a phase."""
    kept = {name: (home / name).read_bytes() for name in ("cluster.lock.yaml", "cluster.secrets.age")}
    assert run("pki", "rotate", "--encryption", "--yes", "--timeout", "20") == 1  # the API lists no Secrets
    assert secrets_of(definition).generation == 2
    for name, data in kept.items():
        (home / name).write_bytes(data)
    capsys.readouterr()
    for verb in (("plan",), ("apply", "--yes", "--timeout", "20"), ("pki", "rotate", "--leaves", "--yes")):
        assert run(*verb) == 1
        err = capsys.readouterr().err
        assert "lock.secrets.targets[local].generation: 2 was applied" in err and "git pull" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--leaves", "--weave"), "One rotation at a time, not --leaves and --weave."),
        (("--ca", "etcd", "--ca", "kubernetes"), "One rotation at a time, not --ca etcd and --ca kubernetes."),
        (("--ca", "ectd"), "There is no certificate authority 'ectd'."),
        ((), "No rotation is under way."),
        (("--leaves",), "there is no terminal to ask for approval on"),
    ],
)
def test_bad_words_and_an_answer_of_no_change_nothing(cluster, home, definition, words, said, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    before = {path.name: path.read_bytes() for path in home.iterdir() if path.is_file()}
    assert run("pki", "rotate", *words, "--timeout", "20") == 1
    assert said in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in home.iterdir() if path.is_file()} == before
