"""Restoring a snapshot of etcd: who has its data, who waits, and that it happens once."""

import copy
import hashlib
import json
import stat

import pytest
from agent import etcd, host, restore, snapshot, storage, store
from agent.host import Host, NodeError
from etcd_gateway import Client, Cluster
from releases import release

ID, NAME = "20261126T200000Z", "20261126T190000Z"
ENCRYPTED = b"to the cluster: database"
KEY = f"etcd/snapshots/{NAME}.age"


@pytest.fixture
def kept(monkeypatch):
    """The store in memory: `files` is what is in it."""
    found = {KEY: ENCRYPTED}
    monkeypatch.setattr(store, "find", found.get)
    monkeypatch.setattr(store, "put_once", lambda key, data: found.setdefault(key, data))
    monkeypatch.setattr(host, "fetch_file", lambda key, path: path.write_bytes(found[key]))
    monkeypatch.setattr(host, "fetch", lambda key: {"secrets/restore": b'{"identity": "AGE-SECRET-KEY-1"}'}[key])
    return found


@pytest.fixture
def cluster(monkeypatch):
    made = Cluster("etcd1", "etcd2", "etcd3")
    members = ("etcd1", "etcd2", "etcd3")
    monkeypatch.setattr(etcd, "connect", lambda release, role, first="": Client(made, *members))
    return made


@pytest.fixture
def disk(tmp_path, monkeypatch):
    """A machine's disk of etcd, with the data of a member; beside it is the root's."""
    folder = tmp_path / "etcd"
    for name in ("FOLDER", "DATA", "ASIDE", "UNFINISHED", "PLAIN", "START"):
        monkeypatch.setattr(restore, name, folder / getattr(restore, name).relative_to(storage.FOLDER))
    monkeypatch.setattr(restore, "STATE", tmp_path / "state")
    monkeypatch.setattr(storage, "ensure", lambda: folder.mkdir(exist_ok=True))
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "old").touch()
    (folder / "start.json").write_text("{}")
    return folder


@pytest.fixture
def machine(engine, programs, kept, cluster, disk, monkeypatch):
    monkeypatch.setattr(restore, "WAIT_SECONDS", -1)
    monkeypatch.setattr(host.time, "sleep", lambda seconds: None)
    programs.put("age", 'printf "%s with %s" "$(cat "$6")" "$(cat "$3")" >"$5"')
    programs.put("docker", f"mkdir {disk}/data-unfinished && cp {disk}/restore.db {disk}/data-unfinished/new")
    for name in ("etcd1", "kube-apiserver", "kube-scheduler", "kubelet"):
        made = {"Id": name, "settings": {"Image": name}, "files": {}}
        engine.containers[name] = made | {"running": True, "started": True}
    return programs


@pytest.fixture
def wanted():
    found = copy.deepcopy(release("star-wars"))
    found["restore"] = {"id": ID, "snapshot": NAME, "sha256": hashlib.sha256(ENCRYPTED).hexdigest()}
    return found


def of(name="etcd1"):
    role = name.rstrip("123")
    return Host(name, role, role, "10.20.0.10", "10.0.2.100", 1500)


def silence(cluster):
    cluster.down |= {"etcd1", "etcd2", "etcd3"}


def running(engine):
    return {name for name, container in engine.containers.items() if container["running"]}


def is_done(disk):
    return (disk / "restored").exists() and (disk / "restored").read_text() == ID


def test_without_a_wish_nothing_happens(machine, engine, disk):
    restore.ensure(release("star-wars"), of())
    restore.settle(release("star-wars"), of())
    assert machine.runs() == [] and engine.done == [] and not is_done(disk)


def test_the_first_member_has_the_data_of_the_snapshot(machine, engine, cluster, disk, wanted):
    silence(cluster)
    restore.ensure(wanted, of())
    assert [path.name for path in (disk / "data").iterdir()] == ["new"]
    assert (disk / "data" / "new").read_text() == f"{ENCRYPTED.decode()} with AGE-SECRET-KEY-1"
    assert (disk / "data-before-restore" / "data" / "old").exists()
    assert stat.S_IMODE((disk / "data-before-restore").stat().st_mode) == 0o700
    peer = "etcd1=https://etcd1.weave.local:2380"
    assert json.loads((disk / "start.json").read_text()) == {"INITIAL_CLUSTER": peer, "CLUSTER_STATE": "new"}
    assert is_done(disk)
    assert engine.names() == {"kube-apiserver", "kube-scheduler", "kubelet"} and running(engine) == {"kubelet"}


def test_what_never_ran_is_left_to_the_first_start(machine, engine, cluster, disk, wanted):
    """A new master has made it already, and starts it once the API answers."""
    silence(cluster)
    restore.ensure(wanted, of())
    cluster.down.clear()
    engine.containers["kube-scheduler"]["started"] = False
    restore.settle(wanted, of())
    assert not engine.containers["kube-scheduler"]["running"] and engine.containers["kube-apiserver"]["running"]


def test_what_uses_etcd_starts_anew_once_it_serves(machine, engine, cluster, disk, wanted):
    silence(cluster)
    restore.ensure(wanted, of())
    cluster.down.clear()
    restore.settle(wanted, of())
    assert running(engine) == {"kube-apiserver", "kube-scheduler", "kubelet"}
    done = list(engine.done)
    restore.settle(wanted, of())
    assert engine.done == done


def test_who_took_the_snapshot_keeps_nobody_from_the_next(machine, cluster, wanted):
    """Its lock is in what was restored."""
    silence(cluster)
    restore.ensure(wanted, of())
    cluster.down.clear()
    cluster.keys[snapshot.LOCK] = "etcd3"
    restore.settle(wanted, of())
    assert snapshot.LOCK not in cluster.keys
    cluster.keys[snapshot.LOCK] = "etcd2"  # who takes one by now
    restore.settle(wanted, of())
    assert cluster.keys[snapshot.LOCK] == "etcd2"


def test_it_is_a_cluster_of_its_own_whose_revisions_nobody_has_seen(machine, cluster, disk, wanted):
    silence(cluster)
    restore.ensure(wanted, of())
    age, docker = machine.runs()
    image = wanted["images"]["etcd"]["id"]
    assert age.startswith("age --decrypt --identity ")
    assert docker == (
        f"docker run --rm --network=none --volume={disk}:{disk} {image} etcdutl snapshot restore {disk}/restore.db"
        f" --data-dir={disk}/data-unfinished --name=etcd1 --initial-cluster=etcd1=https://etcd1.weave.local:2380"
        " --initial-advertise-peer-urls=https://etcd1.weave.local:2380"
        f" --initial-cluster-token=star-wars-{ID} --bump-revision=1000000000 --mark-compacted"
    )


def test_no_key_and_no_plain_data_stays(machine, cluster, disk, wanted):
    silence(cluster)
    restore.ensure(wanted, of())
    assert {path.name for path in disk.iterdir()} == {"data", "data-before-restore", "restored", "start.json"}


def test_it_happens_once(machine, engine, cluster, disk, wanted):
    silence(cluster)
    restore.ensure(wanted, of())
    ran, done = machine.runs(), list(engine.done)
    restore.ensure(wanted, of())
    assert (machine.runs(), engine.done) == (ran, done)


def test_what_was_done_is_known_once_the_disk_is_there(machine, engine, cluster, disk, wanted, monkeypatch):
    """Before a boot mounts it, there is no record of the restore: it would be made again, over newer data."""
    monkeypatch.setattr(storage, "ensure", lambda: (disk / "restored").write_text(ID))
    silence(cluster)
    restore.ensure(wanted, of())
    assert machine.runs() == [] and engine.done == []


def test_nothing_stops_for_a_snapshot_that_is_not_the_one(machine, engine, cluster, kept, disk, wanted):
    kept[KEY] = b"another"
    with pytest.raises(NodeError, match=f"{NAME} has the SHA-256 "):
        restore.ensure(wanted, of())
    assert engine.done == [] and (disk / "data" / "old").exists() and not is_done(disk)


def test_nothing_stops_for_a_snapshot_that_cannot_be_opened(machine, engine, cluster, disk, wanted):
    machine.put("age", "echo 'age: error: no identity matched' >&2; exit 1")
    with pytest.raises(NodeError, match="no identity matched"):
        restore.ensure(wanted, of())
    assert engine.done == [] and (disk / "data" / "old").exists()
    assert {path.name for path in disk.iterdir()} == {"data", "start.json"}


def test_the_first_waits_until_all_others_stopped(machine, cluster, disk, wanted):
    """Else there would be two clusters, and an API server might ask the old one."""
    with pytest.raises(NodeError, match="etcd2, etcd3, to stop"):
        restore.ensure(wanted, of())
    assert not (disk / "data").exists() and not is_done(disk)
    silence(cluster)
    restore.ensure(wanted, of())
    assert (disk / "data-before-restore" / "data" / "old").exists() and is_done(disk)


def test_what_is_set_aside_is_so_on_the_disk_before_anybody_is_waited_for(machine, disk, wanted, monkeypatch):
    """After a power cut the member would serve what was, beside the one that is restored."""
    synced = []
    monkeypatch.setattr(restore.os, "sync", lambda: synced.append((disk / "start.json").exists()))
    with pytest.raises(NodeError, match="to stop"):
        restore.ensure(wanted, of())
    assert synced == [False]


def test_the_others_set_their_data_aside_and_wait_for_the_first(machine, engine, cluster, disk, wanted):
    engine.containers["etcd2"] = engine.containers.pop("etcd1")
    with pytest.raises(NodeError, match="etcd1, to restore the snapshot"):
        restore.ensure(wanted, of("etcd2"))
    assert not (disk / "data").exists() and not (disk / "start.json").exists() and "etcd2" not in engine.names()
    Client(cluster, "etcd1").put(restore.DONE, ID)
    restore.ensure(wanted, of("etcd2"))
    assert is_done(disk) and machine.runs() == []


def test_masters_without_etcd_stop_what_uses_the_api_until_it_is_restored(machine, engine, cluster, disk, wanted):
    with pytest.raises(NodeError, match="etcd1, to restore the snapshot"):
        restore.ensure(wanted, of("master1"))
    assert running(engine) == {"etcd1", "kubelet"} and (disk / "data" / "old").exists()
    Client(cluster, "etcd1").put(restore.DONE, ID)
    restore.ensure(wanted, of("master1"))
    assert (restore.STATE / "restored").read_text() == ID and not is_done(disk)
    assert "kube-apiserver" in running(engine)


def test_workers_have_no_part_in_it(machine, engine, wanted):
    restore.ensure(wanted, of("worker1"))
    assert engine.done == []


def test_an_interrupted_attempt_is_made_again_and_the_first_data_stay_aside(machine, cluster, disk, wanted):
    silence(cluster)
    machine.put("docker", f"mkdir {disk}/data-unfinished; exit 1")
    with pytest.raises(NodeError, match="docker run"):
        restore.ensure(wanted, of())
    assert not restore.PLAIN.exists()
    (disk / "data" / "member").mkdir(parents=True)  # what Docker may have begun anew at a boot in between
    machine.put("docker", f"mkdir {disk}/data-unfinished && cp {disk}/restore.db {disk}/data-unfinished/new")
    restore.ensure(wanted, of())
    assert (disk / "data-before-restore" / "data" / "old").exists()
    assert [path.name for path in (disk / "data").iterdir()] == ["new"]


def test_what_an_earlier_restore_set_aside_makes_room(machine, cluster, disk, wanted):
    earlier = disk / "data-before-restore"
    (earlier / "data").mkdir(parents=True)
    (earlier / "data" / "older").touch()
    (earlier / "restored").write_text("20250101T000000Z")
    silence(cluster)
    restore.ensure(wanted, of())
    assert [path.name for path in (earlier / "data").iterdir()] == ["old"] and is_done(disk)


def test_a_disk_that_is_lost_later_does_not_go_back_to_the_snapshot(machine, cluster, kept, disk, wanted):
    silence(cluster)
    restore.ensure(wanted, of())
    cluster.down.clear()
    restore.settle(wanted, of())
    assert kept[f"etcd/restored-{ID}"] == b"etcd1"
    for name in ("data", "restored"):
        (disk / name).rename(disk / f"lost-{name}")
    restore.ensure(wanted, of())  # another member still serves what was restored, which it joins
    assert not (disk / "data").exists()
    (disk / "restored").unlink()
    silence(cluster)
    with pytest.raises(NodeError, match="was restored before, and what came of it is gone"):
        restore.ensure(wanted, of())


def test_the_first_member_says_so_once_it_serves(machine, cluster, kept, wanted):
    restore.settle(wanted, of("etcd2"))
    assert restore.DONE not in cluster.keys
    restore.settle(wanted, of("etcd1"))
    asked = len(cluster.asked)
    assert Client(cluster, "etcd1").get(restore.DONE) == ID
    restore.settle(wanted, of("etcd1"))
    assert len(cluster.asked) == asked + 2  # a look, and no more
