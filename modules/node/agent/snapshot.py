"""Snapshots of etcd: taken, verified, encrypted, and kept in the store. A service of every machine with etcd.

A snapshot is two documents, TIME.age and TIME.json, which says what the first holds and is written after it. They are
taken when the last is too old, when a person asks for one, and when a machine is about to change etcd or the API.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agent import bundle, etcd, host, store
from agent.etcd import Etcd
from agent.host import Host, NodeError, run

FOLDER = Path("/var/lib/etcd/snapshot")  # the container of etcd has it under the same path
PREFIX = "etcd/snapshots/"
ASKED, FAILED = f"{PREFIX}asked", f"{PREFIX}failed"  # a person's wish, and why the last attempt failed
# Keys in etcd: who takes one now, the change that one is wanted before, or was taken before, why the last failed, and
# who took one, for as long as that is not too old.
LOCK, WANTED, TAKEN, TROUBLE, RECENT = (
    f"/anywhere/snapshot/{name}" for name in ("lock", "wanted", "taken", "trouble", "recent")
)
STAMP = "%Y%m%dT%H%M%SZ"
SKEW = timedelta(minutes=10)  # between the clocks of machines that are right
LOOK_SECONDS, FAILED_SECONDS = 30, 120  # between two looks; one that failed may have taken long
LOCK_SECONDS = 900  # one that takes longer is taken again by another machine


def main() -> None:
    """Look again and again; the argument is the path of the release."""
    said = ""
    while True:
        problem = ""
        try:
            release = host.release(Path(sys.argv[1]).read_text())
            look(release, host.read(release))
        except (NodeError, OSError, ValueError) as error:
            problem = str(error)
        if problem and problem != said:
            print(f"no snapshot: {problem}", flush=True)
        said = problem
        time.sleep(FAILED_SECONDS if problem else LOOK_SECONDS)


def look(release: Mapping[str, Any], me: Host) -> None:
    """Take a snapshot where one is due, unless another machine does."""
    client = etcd.connect(release, me.role, me.member)
    wanted = client.get(WANTED) or ""
    keys = store.names(PREFIX)
    before = wanted if wanted != client.get(TAKEN) else ""
    if not before and not host.CONVERGED.exists():
        return  # a machine that starts for the first time has better to do
    every = release["snapshots"]["every"]
    reason = _reason(client, keys, before, every)
    if not reason:
        return
    lease = client.claim(LOCK, me.name, LOCK_SECONDS)
    if lease is None:
        return
    try:
        _check_programs(client, before)
        take(release, me, client, reason)
        if before:
            client.put(TAKEN, before)
        client.delete(TROUBLE)
        client.claim(RECENT, me.name, every)
        for key in {ASKED, FAILED} & {*keys}:
            store.remove(key)
    except (NodeError, OSError) as error:
        _report(me, client, error)
        raise
    finally:
        with suppress(NodeError):
            client.release(lease)


def _check_programs(client: Etcd, before: str) -> None:
    """NodeError on a machine that can never take a snapshot; no change waits for that."""
    if shutil.which("age") is None:
        if before:
            client.put(TAKEN, before)
        raise NodeError("age is not installed: this machine was made before there were snapshots, so make it anew")


def missing(client: Etcd, change: str) -> str:
    """Ask for the snapshot before `change`, from whichever machine may take it; "" once it is taken."""
    if client.get(TAKEN) == change:
        return ""
    if client.get(WANTED) != change:
        client.put(WANTED, change)
    reason = client.get(TROUBLE)
    return f"a snapshot of etcd before the change{f', which failed: {reason}' if reason else ''}"


def taken(keys: Sequence[str]) -> list[str]:
    """The names of whole snapshots among the `keys`, the oldest first."""
    return sorted(key.removeprefix(PREFIX).removesuffix(".json") for key in keys if key.endswith(".json"))


def take(release: Mapping[str, Any], me: Host, client: Etcd, reason: str) -> None:
    """Take a snapshot, have it in the store, and remove those that are too many there."""
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    plain, encrypted, described = (FOLDER / name for name in ("db", "db.age", "db.json"))
    try:
        for left in FOLDER.iterdir():
            left.unlink()
        _member(me, "etcdctl", *_access(me), "snapshot", "save", str(plain))
        status = json.loads(_member(me, "etcdutl", "snapshot", "status", str(plain), "--write-out=json"))
        run("age", "--recipient", bundle.secrets(release, "snapshots")["recipient"], "-o", str(encrypted), str(plain))
        at = _later(store.names(PREFIX), datetime.now(UTC))
        description = {
            "cluster": release["cluster"],
            "store": release["snapshots"]["store"],
            "generation": release["snapshots"]["generation"],  # of its secrets, which grows with every rotation
            "etcd": client.cluster(),
            "taken": at.isoformat(timespec="seconds"),
            "reason": reason,
            "machine": me.name,
            "kubernetes": release["kubernetes"],
            "revision": status["revision"],
            "keys": status["totalKey"],
            "bytes": plain.stat().st_size,
            "sha256": sha256(encrypted),
        }
        described.write_text(json.dumps(description, indent=1, sort_keys=True) + "\n")
        name = at.strftime(STAMP)
        store.put(f"{PREFIX}{name}.age", encrypted)
        store.put(f"{PREFIX}{name}.json", described)
        print(f"snapshot {name}: {reason}, {description['bytes']} bytes, revision {status['revision']}", flush=True)
    finally:
        for path in (plain, encrypted, described):
            path.unlink(missing_ok=True)
    _prune(release["snapshots"]["keep"])


def _reason(client: Etcd, keys: Sequence[str], before: str, every: int) -> str:
    """Why a snapshot is to be taken; "" where none is. The last is too old after `every` seconds."""
    if before:
        return "before a change"
    if ASKED in keys:
        return "asked for"
    last, now = _last(keys), datetime.now(UTC)
    if last is None:
        due = True
    elif last - now < SKEW:
        due = now - last >= timedelta(seconds=every)
    else:  # its time is yet to come: a clock was changed, and etcd alone knows how old it is
        due = client.get(RECENT) is None
    return "scheduled" if due else ""


def _later(keys: Sequence[str], now: datetime) -> datetime:
    """When a snapshot that is taken now is said to be taken: after all others, which are kept in this order."""
    last = _last(keys)
    return now if last is None else max(now, last + timedelta(seconds=1))


def _last(keys: Sequence[str]) -> datetime | None:
    names = taken(keys)
    return datetime.strptime(names[-1], STAMP).replace(tzinfo=UTC) if names else None


def _prune(keep: int) -> None:
    """Remove all but the last `keep` snapshots, and what is left of one that was interrupted before the last."""
    keys = store.names(PREFIX)
    kept = set(taken(keys)[-keep:])
    files = [key for key in keys if key.endswith((".json", ".age"))]
    for key in sorted(files, key=lambda key: not key.endswith(".json")):  # the description first: it vouches for it
        if key.removeprefix(PREFIX).partition(".")[0] not in kept:
            store.remove(key)


def _report(me: Host, client: Etcd, error: Exception) -> None:
    """Let people know, and who waits for it, as far as either can be reached."""
    with suppress(NodeError):
        client.put(TROUBLE, f"{me.name}: {error}"[:500])
    text = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": me.name, "reason": str(error)[-500:]}
    with suppress(NodeError, OSError):
        FOLDER.mkdir(mode=0o700, exist_ok=True)
        path = FOLDER / "failed.json"
        path.write_text(json.dumps(text))
        store.put(FAILED, path)
        path.unlink()


def _member(me: Host, *command: str) -> str:
    """Run a program in the container of this machine's member."""
    return run("docker", "exec", me.member, *command)


def _access(me: Host) -> tuple[str, ...]:
    pki = bundle.folder("etcd")
    files = (f"--cacert={pki}/ca.crt", f"--cert={pki}/client.crt", f"--key={pki}/client.key")
    return (f"--endpoints=https://{etcd.host_of(me.member)}:{etcd.PORT}", *files)


def sha256(path: Path) -> str:
    """In hex, of a file of any size."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    main()
