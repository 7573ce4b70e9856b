"""Snapshots of etcd, where its machines keep them: which there are, and asking for one. None of it needs the API."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from generator import lock as locks
from generator.errors import UserError
from generator.operations.project import Project
from generator.progress import Progress
from providers import Stored

PREFIX = "etcd/snapshots/"
ASKED, FAILED = f"{PREFIX}asked", f"{PREFIX}failed"  # see modules/node/agent/snapshot.py
ASK_SECONDS = 600.0
READERS = 8


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a machine wrote of a snapshot. `bytes` is the size of etcd's data, `sha256` of the file that is kept.

    `store` is the id of the cluster's secrets, and `generation` theirs: None in a snapshot of an earlier version.
    `revision` and `keys` are etcd's own.
    """

    name: str
    taken: datetime
    cluster: str
    store: str
    machine: str
    reason: str
    kubernetes: str
    revision: int
    keys: int
    bytes: int
    sha256: str
    generation: int | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """The last attempt, where it failed; all is "" where the machine's report cannot be read."""

    at: str = ""
    machine: str = ""
    reason: str = ""


def stored(project: Project) -> Stored:
    """What the cluster keeps; UserError where there was no apply yet."""
    lock = locks.read(locks.path_beside(project.definition.path), locks.APPLIED)
    if project.provider.name not in (lock.secrets.targets if lock.secrets else {}):
        raise UserError(
            f"Cluster {project.name} was not applied on {project.provider.name} yet.", "Run `anywhere apply` first."
        )
    return project.provider.stored(project.definition, lock)


def listed(kept: Stored) -> tuple[Snapshot, ...]:
    """All whole snapshots, the oldest first."""
    with ThreadPoolExecutor(READERS) as pool:
        return tuple(pool.map(lambda name: described(kept, name), _names(kept)))


def described(kept: Stored, name: str) -> Snapshot:
    """What is known of a snapshot; UserError where there is none of that name, or it is damaged."""
    names = _names(kept)
    if name not in names:
        if not names:
            raise UserError("There is no snapshot yet.", "Take one: `anywhere etcd snapshot`.")
        newest = f"The newest are {', '.join(names[-5:])}."
        raise UserError(f"There is no snapshot {name!r}.", f"{newest} `anywhere etcd list` shows all.")
    try:
        value = _json(kept, f"{PREFIX}{name}.json")
        fields = {key: value[key] for key in Snapshot.__slots__ if key not in ("name", "taken", "generation")}
        generation = None if value.get("generation") is None else int(value["generation"])
        return Snapshot(name=name, taken=datetime.fromisoformat(value["taken"]), generation=generation, **fields)
    except (ValueError, KeyError, TypeError):
        raise damaged(name, "its description cannot be read") from None


def damaged(name: str, how: str) -> UserError:
    return UserError(f"The snapshot {name} is damaged: {how}.", "Choose another: `anywhere etcd list` shows all.")


def failure(kept: Stored) -> Failure | None:
    """Why the last attempt failed; None where it did not."""
    if FAILED not in kept.names(PREFIX):
        return None
    try:
        value = _json(kept, FAILED)
        return Failure(str(value["at"]), str(value["machine"]), str(value["reason"]))
    except (ValueError, KeyError, TypeError):
        return Failure()


def check_machines(project: Project) -> None:
    """UserError where no machine is there that could take one: the wish would be waited for in vain."""
    if not project.provider.observe(project.definition):
        raise UserError(
            f"Cluster {project.name} has no machines on {project.provider.name}: nobody could take a snapshot.",
            "Make it first: `anywhere apply`.",
        )


def ask(kept: Stored, progress: Progress, poll: float) -> Snapshot:
    """Have a snapshot taken now; UserError where none comes, or the attempt fails.

    The wish is left where snapshots are kept, and the machines look there twice a minute: that works on every target
    without any way to the machines, and while the API is down.
    """
    before, failed = set(_names(kept)), failure(kept)
    kept.write(ASKED, {"at": datetime.now(UTC).isoformat(timespec="seconds")})
    end = time.monotonic() + ASK_SECONDS
    with progress.phase("wait for a machine to take a snapshot"):
        while time.monotonic() < end:
            if new := sorted(set(_names(kept)) - before):
                return described(kept, new[-1])
            if (now := failure(kept)) and now != failed:
                raise UserError(f"{now.machine} could not take a snapshot: {now.reason}")
            time.sleep(poll)
    raise UserError(
        f"No snapshot was taken within {ASK_SECONDS / 60:.0f} minutes.",
        "Is a machine with etcd running? `anywhere status` shows them. It takes one as soon as it can.",
    )


def _names(kept: Stored) -> list[str]:
    return list(_whole(kept.names(PREFIX)))


def _whole(keys: tuple[str, ...]) -> Iterator[str]:
    """A snapshot is whole once its description is there."""
    for key in keys:
        if key.endswith(".json") and f"{key.removesuffix('.json')}.age" in keys:
            yield key.removeprefix(PREFIX).removesuffix(".json")


def _json(kept: Stored, key: str) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "value"
        kept.read(key, path)
        return json.loads(path.read_bytes())
