"""Snapshots of etcd: when one is due, who takes it, and what is kept."""

import copy
import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest
from agent import bundle, etcd, snapshot, store
from agent.host import Host, NodeError
from etcd_gateway import Client, Cluster
from releases import release

STATUS = {"hash": 1, "revision": 4711, "totalKey": 212, "totalSize": 4096, "version": "3.6.0"}
NOW = datetime(2026, 11, 26, 19, 0, tzinfo=UTC)
KEEP = 3
FILES = {"cacert": "ca.crt", "cert": "client.crt", "key": "client.key"}


class Kept(dict):
    """The store in memory, with what the real one refuses."""

    def put(self, key, path):
        assert key.startswith("etcd/snapshots/")
        self[key] = path.read_bytes()

    def names(self, prefix):
        return sorted(key for key in self if key.startswith(prefix))

    def remove(self, key):
        assert key.startswith("etcd/snapshots/")
        self.pop(key, None)


@pytest.fixture
def kept(monkeypatch):
    found = Kept()
    for name in ("put", "names", "remove"):
        monkeypatch.setattr(store, name, getattr(found, name))
    return found


@pytest.fixture
def cluster(monkeypatch):
    made = Cluster("etcd1", "etcd2", "etcd3")
    monkeypatch.setattr(etcd, "connect", lambda release, role, first="": Client(made, first or "etcd1"))
    return made


@pytest.fixture
def clock(monkeypatch):
    class Clock(datetime):
        time = NOW

        @classmethod
        def now(cls, zone):
            return cls.time

    monkeypatch.setattr(snapshot, "datetime", Clock)
    return Clock


@pytest.fixture
def machine(programs, kept, cluster, clock, tmp_path, monkeypatch):
    folder = tmp_path / "snapshot"
    monkeypatch.setattr(snapshot, "FOLDER", folder)
    converged = tmp_path / "converged.json"
    converged.touch()
    monkeypatch.setattr(snapshot.host, "CONVERGED", converged)
    monkeypatch.setattr(bundle, "secrets", lambda release, name: {"snapshots": {"recipient": "age1xyz"}}[name])
    # docker exec MEMBER PROGRAM ...: the last word is the file of `save`, the one before the last of `status`.
    programs.put(
        "docker",
        f"""for word; do last=$word; done
case "$*" in
  *"snapshot save"*) printf database >"$last" ;;
  *"snapshot status"*) printf '%s' '{json.dumps(STATUS)}' ;;
esac""",
    )
    programs.put("age", 'printf "to $2: " >"$4"; cat "$5" >>"$4"')
    return programs


def of(name="etcd1"):
    return Host(name, "etcd", "etcd", "10.20.0.10", "10.0.2.100", 1500)


@pytest.fixture
def wanted():
    found = copy.deepcopy(release("star-wars"))
    found["snapshots"] = {"every": 6 * 3600, "keep": KEEP, "store": "5" * 32, "generation": 3}
    return found


def test_the_first_snapshot_is_taken_at_once(machine, kept, wanted):
    snapshot.look(wanted, of())
    assert list(kept) == ["etcd/snapshots/20261126T190000Z.age", "etcd/snapshots/20261126T190000Z.json"]
    assert kept["etcd/snapshots/20261126T190000Z.age"] == b"to age1xyz: database"
    described = json.loads(kept["etcd/snapshots/20261126T190000Z.json"])
    assert described == {
        "bytes": 8,
        "cluster": "star-wars",
        "etcd": "7619062553881380903",
        "generation": 3,
        "keys": 212,
        "kubernetes": wanted["kubernetes"],
        "machine": "etcd1",
        "reason": "scheduled",
        "revision": 4711,
        "sha256": hashlib.sha256(b"to age1xyz: database").hexdigest(),
        "store": "5" * 32,
        "taken": "2026-11-26T19:00:00+00:00",
    }


def test_a_machine_that_never_ran_a_release_takes_none_but_before_a_change(machine, kept, wanted, cluster):
    snapshot.host.CONVERGED.unlink()
    snapshot.look(wanted, of())
    assert not kept
    Client(cluster, "etcd1").put(snapshot.WANTED, "f" * 64)
    snapshot.look(wanted, of())
    assert kept


def test_it_is_verified_before_it_is_encrypted(machine, kept, wanted):
    snapshot.look(wanted, of())
    save, status, age = machine.runs()
    pki = " ".join(f"--{flag}=/etc/kubernetes/etcd/{file}" for flag, file in FILES.items())
    db = snapshot.FOLDER / "db"
    assert save == f"docker exec etcd1 etcdctl --endpoints=https://etcd1.weave.local:2379 {pki} snapshot save {db}"
    assert status == f"docker exec etcd1 etcdutl snapshot status {db} --write-out=json"
    assert age == f"age --recipient age1xyz -o {db}.age {db}"


def test_nothing_is_left_on_the_disk(machine, kept, wanted):
    snapshot.look(wanted, of())
    assert list(snapshot.FOLDER.iterdir()) == []


def test_what_a_power_cut_left_on_the_disk_is_removed_first(machine, kept, wanted):
    """etcdctl continues nothing, and the disk is etcd's own."""
    snapshot.FOLDER.mkdir()
    (snapshot.FOLDER / "db.part").write_text("half")
    machine.put("docker", f"ls {snapshot.FOLDER} >&2; exit 1")
    with pytest.raises(NodeError) as failed:
        snapshot.look(wanted, of())
    assert "db.part" not in str(failed.value) and list(snapshot.FOLDER.iterdir()) == []


@pytest.mark.parametrize(("hours", "taken"), [(5.9, 1), (6, 2)])
def test_the_next_is_taken_when_the_last_is_old_enough(machine, kept, wanted, clock, hours, taken):
    snapshot.look(wanted, of())
    clock.time = NOW + timedelta(hours=hours)
    snapshot.look(wanted, of())
    assert len(snapshot.taken(list(kept))) == taken


@pytest.mark.parametrize("hidden", [timedelta(days=30), timedelta(days=-30)], ids=["set back", "set ahead"])
def test_a_clock_that_is_changed_stops_no_snapshots_and_removes_none_that_is_new(
    machine, kept, wanted, clock, cluster, hidden
):
    """`cluster.clock` is how much time really passes, which leases in etcd measure."""
    begin = cluster.clock()
    passed = timedelta()
    cluster.clock = lambda: begin + passed.total_seconds()
    for _ in range(KEEP):
        clock.time = NOW + passed
        snapshot.look(wanted, of())
        passed += timedelta(hours=6)
    found, jumped = [], NOW - hidden
    for hour in range(49):
        clock.time = jumped + timedelta(hours=hour)
        snapshot.look(wanted, of())
        newest = snapshot.taken(list(kept))[-1]
        found += [newest] if newest not in found else []
        passed += timedelta(hours=1)
    assert len(found) in (8, 9) and found == sorted(found)
    assert snapshot.taken(list(kept)) == found[-KEEP:]


def test_what_is_taken_before_a_change_is_kept_whatever_the_clock_says(machine, kept, wanted, clock, cluster):
    for hours in (0, 6, 12):
        clock.time = NOW + timedelta(hours=hours)
        snapshot.look(wanted, of())
    clock.time = NOW - timedelta(days=30)
    Client(cluster, "etcd1").put(snapshot.WANTED, "f" * 64)
    snapshot.look(wanted, of())
    described = json.loads(kept[f"{snapshot.PREFIX}{snapshot.taken(list(kept))[-1]}.json"])
    assert described["reason"] == "before a change"


def test_clocks_that_differ_by_seconds_are_right(machine, kept, wanted, clock):
    snapshot.look(wanted, of())
    clock.time = NOW - timedelta(seconds=30)
    snapshot.look(wanted, of())
    assert len(snapshot.taken(list(kept))) == 1


def test_a_snapshot_without_its_description_is_none(machine, kept, wanted, clock):
    kept["etcd/snapshots/20261126T185959Z.age"] = b"half"
    snapshot.look(wanted, of())
    assert [key for key in kept if key.endswith(".age")] == ["etcd/snapshots/20261126T190000Z.age"]


def test_one_machine_takes_it(machine, kept, wanted, cluster):
    holder = Client(cluster, "etcd2")
    assert holder.claim(snapshot.LOCK, "etcd2", 900)
    snapshot.look(wanted, of())
    assert kept == {} and machine.runs() == []


def test_a_machine_whose_process_was_killed_meanwhile_takes_it_at_once(machine, kept, wanted, cluster):
    """A change of etcd or the API server waits for it, and would for a quarter of an hour."""
    assert Client(cluster, "etcd1").claim(snapshot.LOCK, of().name, 900)
    snapshot.look(wanted, of())
    assert kept and snapshot.LOCK not in cluster.keys


def test_the_turn_is_given_back(machine, kept, wanted, cluster):
    snapshot.look(wanted, of())
    assert snapshot.LOCK not in cluster.keys
    machine.put("age", "exit 1")
    kept.clear()
    with pytest.raises(NodeError):
        snapshot.look(wanted, of())
    assert snapshot.LOCK not in cluster.keys


def test_the_last_few_are_kept(machine, kept, wanted, clock):
    for hours in range(0, 36, 6):
        clock.time = NOW + timedelta(hours=hours)
        snapshot.look(wanted, of())
    last = [(NOW + timedelta(hours=hours)).strftime(snapshot.STAMP) for hours in (18, 24, 30)]
    assert snapshot.taken(list(kept)) == last
    assert len(kept) == 2 * KEEP


def test_a_wish_is_granted_once(machine, kept, wanted, clock):
    snapshot.look(wanted, of())
    clock.time = NOW + timedelta(minutes=1)
    kept[snapshot.ASKED] = b"{}"
    snapshot.look(wanted, of())
    snapshot.look(wanted, of())
    assert snapshot.ASKED not in kept
    assert json.loads(kept["etcd/snapshots/20261126T190100Z.json"])["reason"] == "asked for"
    assert len(snapshot.taken(list(kept))) == 2


def test_a_failure_is_told_and_forgotten_after_the_next_success(machine, kept, wanted):
    works = machine.read("age")
    machine.put("age", "echo 'age: error: no' >&2; exit 1")
    with pytest.raises(NodeError, match="age: error: no"):
        snapshot.look(wanted, of())
    told = json.loads(kept[snapshot.FAILED])
    assert told["machine"] == "etcd1" and "age: error: no" in told["reason"]
    assert snapshot.taken(list(kept)) == [] and list(snapshot.FOLDER.iterdir()) == []
    machine.put("age", works)
    snapshot.look(wanted, of())
    assert snapshot.FAILED not in kept and len(kept) == 2


def test_a_damaged_snapshot_is_not_stored(machine, kept, wanted):
    machine.put("docker", 'case "$*" in *status*) echo "snapshot file integrity check failed" >&2; exit 1 ;; esac')
    with pytest.raises(NodeError, match="integrity check failed"):
        snapshot.look(wanted, of())
    assert snapshot.taken(list(kept)) == []


def test_before_a_change_one_is_taken(machine, kept, wanted, cluster, clock):
    """Whoever is about to change something waits; a machine with etcd, which may be another one, takes it."""
    client = Client(cluster, "etcd1")
    snapshot.look(wanted, of())
    clock.time = NOW + timedelta(minutes=5)
    assert snapshot.missing(client, "release-1") == "a snapshot of etcd before the change"
    snapshot.look(wanted, of("etcd2"))
    assert json.loads(kept["etcd/snapshots/20261126T190500Z.json"])["reason"] == "before a change"
    clock.time = NOW + timedelta(minutes=6)
    assert snapshot.missing(client, "release-1") == ""
    snapshot.look(wanted, of())
    assert len(snapshot.taken(list(kept))) == 2


def test_who_waits_for_one_is_told_why_it_fails(machine, kept, wanted, cluster):
    works = machine.read("age")
    machine.put("age", "echo 'age: error: no' >&2; exit 1")
    client = Client(cluster, "etcd1")
    snapshot.missing(client, "release-1")
    with pytest.raises(NodeError):
        snapshot.look(wanted, of())
    assert "which failed: etcd1: age --recipient age1xyz -o: exit 1: age: error: no" in snapshot.missing(
        client, "release-1"
    )
    machine.put("age", works)
    snapshot.look(wanted, of())
    assert snapshot.missing(client, "release-1") == "" and snapshot.TROUBLE not in cluster.keys


def test_no_change_waits_for_a_machine_that_can_take_none(machine, kept, wanted, cluster, monkeypatch):
    """Local machines that an earlier version made have no age, and get none."""
    monkeypatch.setattr(snapshot.shutil, "which", lambda name: None)
    client = Client(cluster, "etcd1")
    assert snapshot.missing(client, "release-1") != ""
    with pytest.raises(NodeError, match="age is not installed"):
        snapshot.look(wanted, of())
    assert snapshot.missing(client, "release-1") == ""
    assert "age is not installed" in json.loads(kept[snapshot.FAILED])["reason"]
