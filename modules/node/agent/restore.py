"""Restoring a snapshot of etcd: once for each restore that a release asks for.

Every member stops and sets its data aside. Once all are silent, the first one makes its data out of the snapshot and
founds a cluster with it, which the others join. What uses the API is stopped before, and so starts anew with it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from typing import Any

from agent import etcd, host, storage, store
from agent.docker import Docker
from agent.etcd import Etcd
from agent.files import publish, write
from agent.host import STATE, Host, NodeError, run
from agent.snapshot import LOCK, PREFIX, sha256

FOLDER = storage.FOLDER
DATA, ASIDE, UNFINISHED = (FOLDER / name for name in ("data", "data-before-restore", "data-unfinished"))
PLAIN = FOLDER / "restore.db"
START = FOLDER / "start.json"  # see membership
RECORD = "restored"  # a file with the id of the last restore: on etcd's disk, and on machines without etcd
DONE = "/anywhere/restored"  # the key in etcd with the id of the restore that its data comes from
USERS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
STOP_SECONDS = 30
WAIT_SECONDS = 900
# Watches begin anew, as no revision that anyone has seen is left: the cluster has had fewer since the snapshot.
REVISIONS = 1_000_000_000


def ensure(release: Mapping[str, Any], me: Host) -> None:
    """Do this machine's part of the restore that the release asks for, unless it is done; before etcd starts."""
    wanted = release["restore"]
    if wanted is None or me.role == "worker":
        return
    with_etcd = "etcd" in {spec["component"] for spec in release["roles"][me.role]["containers"]}
    if with_etcd:
        storage.ensure()
    record = (FOLDER if with_etcd else STATE) / RECORD
    if record.exists() and record.read_text() == wanted["id"]:
        return
    client = etcd.connect(release, me.role)
    if with_etcd and not _is_restored(client, wanted["id"]):
        _restore(release, me, client, wanted)
    else:
        _stop(*USERS)
        _wait_for_first(client, release, wanted["id"])
        _start(*USERS)
    write(record, str(wanted["id"]))


def settle(release: Mapping[str, Any], me: Host) -> None:
    """Once etcd serves what was restored: say so, to the machines that wait for it, and start what uses it."""
    wanted = release["restore"]
    if wanted is None:
        return
    if me.member == _first(release):
        client = etcd.connect(release, me.role, me.member)
        if client.get(DONE) != wanted["id"]:
            client.delete(LOCK)  # it was held by whoever took the snapshot, and would be for a quarter of an hour
            store.put_once(_marker(wanted["id"]), me.name.encode())
            client.put(DONE, wanted["id"])
    _start(*USERS)  # before the network settles, which may need the API


def _restore(release: Mapping[str, Any], me: Host, client: Etcd, wanted: Mapping[str, Any]) -> None:
    """Give up the data of this member, and have that of the snapshot or of the member that has it."""
    first = me.member == _first(release)
    try:
        if first:  # before anything stops
            _fetch(wanted)
        _stop(*USERS, me.member)
        Docker().remove(me.member)  # else Docker would start it at a boot, on an empty disk
        _set_aside(wanted["id"])
        if first:
            _wait_for_silence(client, release)
            shutil.rmtree(UNFINISHED, ignore_errors=True)
            _etcdutl(release, me, wanted["id"])
        else:
            _wait_for_first(client, release, wanted["id"])
    finally:
        PLAIN.unlink(missing_ok=True)
    if first:
        started = {"INITIAL_CLUSTER": f"{me.member}={etcd.peer_url(me.member)}", "CLUSTER_STATE": "new"}
        write(START, json.dumps(started))
        publish(UNFINISHED, DATA)
        print(f"restored {wanted['snapshot']}", flush=True)


def _fetch(wanted: Mapping[str, Any]) -> None:
    """Have the snapshot, decrypted, as PLAIN."""
    if store.find(_marker(wanted["id"])) is not None:
        raise NodeError(
            f"{wanted['snapshot']} was restored before, and what came of it is gone: anywhere etcd restore, once more"
        )
    encrypted, identity = FOLDER / "restore.age", FOLDER / "restore.key"
    try:
        host.fetch_file(f"{PREFIX}{wanted['snapshot']}.age", encrypted)
        if (found := sha256(encrypted)) != wanted["sha256"]:
            raise NodeError(f"{wanted['snapshot']} has the SHA-256 {found}, not {wanted['sha256']}")
        write(identity, json.loads(host.fetch("secrets/restore"))["identity"], mode=0o600)
        run("age", "--decrypt", "--identity", str(identity), "-o", str(PLAIN), str(encrypted))
    finally:
        for path in (encrypted, identity):
            path.unlink(missing_ok=True)


def _etcdutl(release: Mapping[str, Any], me: Host, identity: str) -> None:
    """Make data for a cluster of this member alone; its ids differ from all before, by its token."""
    image, peer = release["images"]["etcd"]["id"], etcd.peer_url(me.member)
    where = ("docker", "run", "--rm", "--network=none", f"--volume={FOLDER}:{FOLDER}", image)
    member = (f"--name={me.member}", f"--initial-cluster={me.member}={peer}", f"--initial-advertise-peer-urls={peer}")
    token = f"--initial-cluster-token={release['cluster']}-{identity}"
    revisions = (f"--bump-revision={REVISIONS}", "--mark-compacted")
    run(*where, "etcdutl", "snapshot", "restore", str(PLAIN), f"--data-dir={UNFINISHED}", *member, token, *revisions)


def _set_aside(identity: str) -> None:
    """Keep the data that there was, beside what is restored: once, as a second attempt finds only unfinished data."""
    if DATA.exists():
        mine = ASIDE / RECORD
        if not (mine.exists() and mine.read_text() == identity):
            shutil.rmtree(ASIDE, ignore_errors=True)
            ASIDE.mkdir(mode=0o700)
            write(mine, identity)
            DATA.rename(ASIDE / DATA.name)
        else:
            shutil.rmtree(DATA)
    START.unlink(missing_ok=True)
    os.sync()


def _wait_for_silence(client: Etcd, release: Mapping[str, Any]) -> None:
    """Wait until no other member serves what was: there must never be two clusters for the API to ask."""
    others = [name for name in release["etcd"]["members"] if name != _first(release)]

    def silent() -> bool:
        return not any(client.serves(etcd.host_of(name)) for name in others)

    host.wait(f"{', '.join(others)}, to stop", silent, WAIT_SECONDS)


def _wait_for_first(client: Etcd, release: Mapping[str, Any], identity: str) -> None:
    host.wait(f"{_first(release)}, to restore the snapshot", lambda: _is_restored(client, identity), WAIT_SECONDS)


def _is_restored(client: Etcd, identity: str) -> bool:
    try:
        return client.get(DONE) == identity
    except NodeError:
        return False


def _stop(*names: str) -> None:
    engine = Docker()
    for name in names:
        if engine.inspect(name) is not None:
            engine.stop(name, STOP_SECONDS)


def _start(*names: str) -> None:
    """Start the containers that were stopped. One that never ran waits for the API: see `first_start`."""
    engine = Docker()
    for name in names:
        container = engine.inspect(name)
        if container is not None and container["State"]["Status"] not in ("running", "restarting", "created"):
            engine.start(name)


def _first(release: Mapping[str, Any]) -> str:
    """The member that has the data of the snapshot."""
    return str(release["etcd"]["members"][0])


def _marker(identity: str) -> str:
    """The key in the store of what says that a restore was done: a disk that is lost later does not begin it again."""
    return f"etcd/restored-{identity}"
