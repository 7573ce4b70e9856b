"""What machines with etcd keep outside of themselves, beside the documents: snapshots, and the id of their cluster.

Keys begin with etcd/. Those below etcd/snapshots/ may be written anew and removed, the others are written once.
`host.fetch` and `host.fetch_file` read them.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from agent import host
from agent.host import NodeError

FETCH = Path("/usr/local/bin/anywhere-fetch")
TARGETS = Path(__file__).parent.parent / "targets"
# A machine's user-data, which never changes, does not say what its target is called; what it fetches with shows it.
SIGNS = {"secretsmanager.$region": "aws", "googleapis.com": "gce"}
LOCAL = "local"


def put(key: str, path: Path) -> None:
    """Store a file; under etcd/snapshots/ in the place of one that is there."""
    _run("put", key, str(path))


def put_once(key: str, data: bytes) -> bytes:
    """Store `data` unless the key is there already, which another machine may do at the same time; what is there."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        _run("put-once", key, file.name)
    return host.fetch(key)


def names(prefix: str) -> list[str]:
    """The keys below `prefix`, which ends with a slash, in order."""
    return sorted(_run("names", prefix).splitlines())


def find(key: str) -> bytes | None:
    """What is stored under a key; None where nothing is. A cloud may call what is not there forbidden."""
    return host.fetch(key) if key in names(f"{key.rpartition('/')[0]}/") else None


def remove(key: str) -> None:
    """Remove a snapshot; one that is gone is no error."""
    _run("remove", key)


def _run(verb: str, key: str, *more: str) -> str:
    line = ["sh", str(TARGETS / _target() / "anywhere-store"), verb, key, *more]
    done = subprocess.run(line, capture_output=True, check=False)
    if done.returncode != 0:
        raise NodeError(done.stderr.decode(errors="replace").strip()[-300:] or f"anywhere-store {verb} {key} failed")
    return done.stdout.decode()


def _target() -> str:
    fetch = FETCH.read_text()
    return next((target for sign, target in SIGNS.items() if sign in fetch), LOCAL)
