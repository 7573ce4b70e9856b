"""`anywhere etcd`: against the folder where local machines keep snapshots; a machine is a thread that writes there."""

import hashlib
import json
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyrage
import pytest

from generator import agekey, pki, render, store
from generator.definition import VERSION
from generator.errors import UserError
from generator.files import write_atomic
from generator.lock import path_beside, read, write
from generator.operations import cluster_secrets, etcd_restore, etcd_snapshots, keeping, lock_file, workspace
from generator.operations.project import open_project
from generator.pki import rotation
from generator.progress import Silent
from providers.local.home import cluster_folder
from tests.cli.target import run

NAME = "20261126T190000Z"
RENDERED = render.tree  # before `nowhere` takes its place


def content(pages=3):
    """What etcdctl saves: pages, and their checksum."""
    data = bytes(range(256)) * 2 * pages
    return data + hashlib.sha256(data).digest()


@pytest.fixture
def kept(nowhere):
    """Where the cluster keeps its snapshots."""
    folder = cluster_folder("quickstart").stored / "etcd" / "snapshots"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def put(kept, definition):
    """Store a snapshot as a machine does; what is given is different in its description."""

    def put(name=NAME, plain=None, key="", **different):
        secrets = store.read(definition, "quickstart").targets["local"]
        recipient = agekey.recipient(key or secrets.keys["snapshots"])
        data = pyrage.encrypt(plain or content(), [pyrage.x25519.Recipient.from_str(recipient)])
        described = {
            **{"cluster": "quickstart", "store": read(path_beside(definition)).secrets.store, "etcd": "42"},
            **{"taken": "2026-11-26T19:00:00+00:00", "reason": "scheduled", "machine": "master1"},
            **{"kubernetes": "v1.35.4", "revision": 4711, "keys": 212, "bytes": 2_345_678},
            **{"sha256": hashlib.sha256(data).hexdigest()},
        } | different
        (kept / f"{name}.age").write_bytes(data)
        (kept / f"{name}.json").write_text(json.dumps(described))

    return put


@pytest.fixture
def prove(definition, nowhere):
    return lambda name=NAME: etcd_restore.prove(open_project(definition, "local", None), name, Silent())


def test_list(put, capsys):
    put(taken=datetime.now(UTC).isoformat())
    put("20261126T130000Z", taken=(datetime.now(UTC) - timedelta(hours=6)).isoformat(), reason="asked for")
    assert run("etcd", "list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["NAME", "AGE", "SIZE", "REVISION", "KEYS", "KUBERNETES", "MACHINE", "REASON"]
    assert [line.split()[0] for line in lines[1:]] == [NAME, "20261126T130000Z"]
    assert lines[2].split()[1:] == ["6h", "2.3", "MB", "4711", "212", "v1.35.4", "master1", "asked", "for"]


def test_list_for_a_program(put, capsys):
    put(taken=datetime.now(UTC).isoformat())
    assert run("etcd", "list", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["failure"] is None and found["snapshots"][0]["name"] == NAME


def test_list_warns_of_a_failure_and_of_an_old_snapshot(put, kept, capsys):
    put(taken=(datetime.now(UTC) - timedelta(hours=10)).isoformat())
    failed = {"at": "2026-11-26T20:00:00+00:00", "machine": "master1", "reason": "age: not found"}
    (kept / "failed").write_text(json.dumps(failed))
    assert run("etcd", "list") == 1
    said = capsys.readouterr().err
    assert "The last attempt failed, on master1 at 2026-11-26T20:00:00+00:00: age: not found" in said
    assert "The last snapshot is 10h old; one is due every 6h." in said


def test_no_snapshot_yet(kept, capsys):
    assert run("etcd", "list") == 1
    assert "There is no snapshot yet." in capsys.readouterr().err


def test_a_cluster_that_was_never_applied(definition, capsys):
    """The lock alone would not help: there are no snapshots yet, and its images may take minutes to make."""
    for words in (("list",), ("restore", "snapshot")):
        assert run("etcd", *words) == 1
        error, hint = capsys.readouterr().err.splitlines()
        assert error == "error: There is no lock cluster.lock.yaml."
        assert hint.startswith("hint: Run `anywhere apply` first;")


def test_a_cluster_that_was_applied_on_another_target_alone(nowhere, definition, capsys):
    path = path_beside(definition)
    found = read(path)
    write(path, replace(found, secrets=replace(found.secrets, targets={})))
    assert run("etcd", "list") == 1
    assert "Cluster quickstart was not applied on local yet." in capsys.readouterr().err


def test_what_is_not_whole_is_not_listed(put, kept, capsys):
    put(taken=datetime.now(UTC).isoformat())
    (kept / "20261126T200000Z.age").write_bytes(b"half")
    (kept / "20261126T210000Z.json").write_text("{}")
    assert run("etcd", "list") == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def machine(kept, act):
    """A machine with etcd, which looks for a wish."""

    def look():
        while not (kept / "asked").exists():
            time.sleep(0.01)
        act()
        (kept / "asked").unlink()

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    return thread


def test_a_snapshot_is_asked_for(put, kept, capsys):
    put("20261126T130000Z")
    asked = machine(kept, lambda: put(reason="asked for"))
    assert run("etcd", "snapshot") == 0
    asked.join(10)
    out = capsys.readouterr().out
    assert NAME in out and "asked for" in out and "20261126T130000Z" not in out


def test_a_snapshot_that_fails(put, kept, capsys):
    failed = {"at": "2026-11-26T20:00:00+00:00", "machine": "master1", "reason": "age: not found"}
    (kept / "failed").write_text(json.dumps({**failed, "at": "before"}))
    asked = machine(kept, lambda: write_atomic(kept / "failed", json.dumps(failed).encode()))
    assert run("etcd", "snapshot") == 1
    asked.join(10)
    assert "master1 could not take a snapshot: age: not found" in capsys.readouterr().err


def test_a_report_of_a_failure_that_is_damaged(put, kept, capsys):
    put(taken=datetime.now(UTC).isoformat())
    (kept / "failed").write_text("{")
    assert run("etcd", "list") == 1
    assert "The last attempt failed, on a machine whose report cannot be read" in capsys.readouterr().err


def test_a_snapshot_of_a_cluster_without_machines_is_not_waited_for(kept, nowhere, monkeypatch, capsys):
    monkeypatch.setattr(nowhere, "observe", lambda definition: (), raising=False)
    assert run("etcd", "snapshot") == 1
    assert "has no machines on local: nobody could take a snapshot." in capsys.readouterr().err
    assert not (kept / "asked").exists()


def test_a_snapshot_that_nobody_takes(kept, capsys, monkeypatch):
    monkeypatch.setattr(etcd_snapshots, "ASK_SECONDS", 0.1)
    assert run("etcd", "snapshot") == 1
    assert "No snapshot was taken" in capsys.readouterr().err


def test_what_is_proved(put, prove, definition):
    put()
    found = prove()
    secrets = store.read(definition, "quickstart").targets["local"]
    assert found.document == {"identity": secrets.keys["snapshots"]}
    assert (found.restore.snapshot, found.restore.sha256) == (NAME, found.snapshot.sha256)


def test_a_restore_is_in_the_release_and_a_secret_of_machines_with_etcd(put, prove, definition, monkeypatch):
    put()
    monkeypatch.setattr(render, "tree", RENDERED)
    project, found = open_project(definition, "local", None), prove()
    lock = lock_file.known(project)
    known = found.with_document(cluster_secrets.read(project, lock))
    files = workspace.tree(project, lock, known, found.restore)
    release = json.loads(files["documents/release.json"])
    assert release["restore"] == {"id": found.restore.id, "snapshot": NAME, "sha256": found.snapshot.sha256}
    described = json.loads(files["terraform.tfvars.json"])["secret_documents"]["restore"]
    assert described == {"roles": ["master"], "version": pki.version(found.document)}
    assert "AGE-SECRET-KEY" not in "".join(data.decode("latin-1") for data in files.values())


def test_nothing_of_a_restore_stays(put, prove, definition, monkeypatch):
    """The next release has none, and nothing is recorded beside the definition."""
    put()
    monkeypatch.setattr(render, "tree", RENDERED)
    project, before = open_project(definition, "local", None), path_beside(definition).read_bytes()
    found, lock = prove(), lock_file.known(project)
    prepared = cluster_secrets.prepare(project, lock)
    assert found.with_document(prepared.known).versions.keys() - prepared.known.versions.keys() == {"restore"}
    assert keeping.unkept(project, lock, cluster_secrets.recorded(lock, prepared.known, "local"), prepared) == ()
    assert json.loads(workspace.tree(project, lock, prepared.known)["documents/release.json"])["restore"] is None
    assert path_beside(definition).read_bytes() == before


@pytest.mark.parametrize(
    ("different", "words"),
    [
        ({"cluster": "other"}, "is of another cluster: other with secrets "),
        ({"store": "f" * 32}, f"is of another cluster: quickstart with secrets {'f' * 32}"),
        ({"kubernetes": "v1.99.0"}, f"is of Kubernetes v1.99.0, and the cluster has {VERSION}"),
        ({"sha256": "0" * 64}, "is damaged: it is not what was stored"),
        ({"revision": None, "taken": "yesterday"}, "is damaged: its description cannot be read"),
        ({"plain": content()[:-1] + b"x"}, "is damaged: what is in it does not have its own checksum"),
        ({"plain": content()[:-1]}, "is damaged: what is in it does not have its own checksum"),
        ({"plain": b"short"}, "is damaged: what is in it does not have its own checksum"),
        ({"key": agekey.new()}, "is damaged: the key in the cluster's secrets does not open it"),
    ],
)
def test_a_snapshot_that_is_not_to_be_restored_changes_nothing(put, different, words, definition, capsys):
    put(**different)
    before = {path: path.read_bytes() for path in definition.parent.rglob("*") if path.is_file()}
    assert run("etcd", "restore", NAME, "--yes") == 1
    assert words in " ".join(capsys.readouterr().err.split())
    after = {path: path.read_bytes() for path in definition.parent.rglob("*") if path.is_file()}
    assert {path for path in after if before.get(path) != after[path]} <= {
        path for path in after if path.name == ".anywhere-lock"
    }


@pytest.mark.parametrize(("minutes", "readable"), [(-1, True), (1, False)])
def test_a_snapshot_whose_secrets_nobody_can_read_any_more(put, prove, definition, minutes, readable):
    """As the key that they are encrypted with was rotated since."""
    moment = datetime(2026, 11, 26, 19, tzinfo=UTC) + timedelta(minutes=minutes)

    def encrypted(found: store.Store) -> store.Store:
        return replace(found, targets={"local": replace(found.targets["local"], encrypted=moment)})

    store.update(definition, "quickstart", encrypted)
    put()
    if readable:
        assert prove().snapshot.name == NAME
    else:
        with pytest.raises(UserError, match="when the key that its Secrets are encrypted with was dropped"):
            prove()


@pytest.fixture
def now(nowhere, definition):
    """Bring the secrets, and the lock that records them, to a generation."""

    def now(generation):
        def change(found):
            secrets = replace(found.targets["local"], generation=generation)
            return replace(found, targets={"local": secrets})

        store.update(definition, "quickstart", change)
        path = path_beside(definition)
        found = read(path)
        public = replace(found.secrets.targets["local"], generation=generation)
        write(path, replace(found, secrets=replace(found.secrets, targets={"local": public})))

    return now


@pytest.mark.parametrize(
    ("generation", "of", "days", "said"),
    [
        (0, None, 0, []),  # nothing was ever rotated
        (0, 0, 0, []),
        (3, 3, 0, []),
        (3, 2, 0, ["Keys were rotated since"]),
        (3, 2, 300, []),  # a token of then has ended
        (3, None, 300, ["does not say which keys it was taken under"]),
    ],
)
def test_a_snapshot_of_other_keys_is_warned_of(put, prove, now, generation, of, days, said):
    put(generation=of, taken=(datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="seconds"))
    now(generation)
    remarks = prove().remarks
    assert len(remarks) == len(said) and all(part in line for part, line in zip(said, remarks, strict=True))


def test_a_snapshot_of_newer_keys_than_those_at_hand_is_refused(put, prove, now):
    put(generation=4)
    now(3)
    with pytest.raises(UserError, match=r"under newer keys than .*cluster\.secrets\.age has: generation 4, not 3"):
        prove()


def test_a_rotation_under_way_does_its_step_again_in_what_was_restored(put, nowhere, definition, now, capsys):
    """Secrets in the snapshot are encrypted with the old key, which the next step would drop."""
    put(generation=1)
    secrets = store.read(definition, "quickstart").targets["local"]
    begun = rotation.advance(rotation.begin(secrets, "encryption", datetime.now(UTC)), datetime.now(UTC))
    settled = rotation.rolled_out(begun, datetime.now(UTC))
    store.update(definition, "quickstart", lambda found: replace(found, targets={"local": settled}))
    path = path_beside(definition)
    write(path, cluster_secrets.recorded(read(path), known(definition), "local"))
    assert run("etcd", "restore", NAME, "--yes", "--timeout", "20") == 0
    err = " ".join(capsys.readouterr().err.split())
    assert "has to repeat its step in the restored data (step 2 of 3" in err
    assert "Go on with it: `anywhere pki rotate --encryption`." in err
    after = store.read(definition, "quickstart").targets["local"].rotation
    assert after == replace(settled.rotation, rolled_out=None)


def known(definition):
    project = open_project(definition, "local", None)
    return cluster_secrets.read(project, replace(lock_file.known(project), secrets=None))


def test_the_release_says_which_keys_a_snapshot_is_of(now, definition, monkeypatch):
    now(5)
    monkeypatch.setattr(render, "tree", RENDERED)
    project = open_project(definition, "local", None)
    lock = lock_file.known(project)
    files = workspace.tree(project, lock, cluster_secrets.read(project, lock))
    assert json.loads(files["documents/release.json"])["snapshots"]["generation"] == 5


def test_a_snapshot_that_there_is_not(put, capsys):
    put()
    assert run("etcd", "restore", "20200101T000000Z") == 1
    said = capsys.readouterr().err
    assert "There is no snapshot '20200101T000000Z'." in said and NAME in said


def test_without_any_snapshot_one_is_to_be_taken(kept, capsys):
    assert run("etcd", "restore", "20200101T000000Z") == 1
    said = capsys.readouterr().err
    assert "There is no snapshot yet." in said and "`anywhere etcd snapshot`" in said


def test_which_snapshot(nowhere, capsys):
    assert run("etcd", "restore", "cluster.yaml") == 1
    assert "Which snapshot?" in capsys.readouterr().err


def test_a_restore_is_asked_about(put, nowhere, capsys):
    """Without a terminal nobody can agree."""
    put()
    assert run("etcd", "restore", "cluster.yaml", NAME) == 1
    assert "there is no terminal to ask for approval on" in capsys.readouterr().err
