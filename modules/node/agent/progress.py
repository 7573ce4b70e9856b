"""How far each machine of the control plane is with a release: a record of its own in etcd, which the others read."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agent.etcd import Etcd, Silent
from agent.files import write
from agent.host import RUN

PREFIX = "/anywhere/machines/"
WRITTEN = RUN / "progress.json"  # what this machine last wrote since its boot, and when
AGAIN_SECONDS = 600  # written again, as etcd may have been restored from a snapshot


@dataclass(frozen=True)
class Record:
    """The components of `release` that run on a machine as it describes them."""

    release: str
    done: frozenset[str]

    def text(self) -> str:
        return json.dumps({"release": self.release, "done": sorted(self.done)})


NOTHING = Record("", frozenset())


def read(etcd: Etcd) -> dict[str, Record]:
    """The record of each machine, by name."""
    found = etcd.all(PREFIX)
    return {key.removeprefix(PREFIX): _record(json.loads(text)) for key, text in found.items()}


def late(records: Mapping[str, Record], release: str, wanted: Mapping[str, Iterable[str]]) -> list[str]:
    """The machines that do not run all that is `wanted` of them in `release` yet."""

    def done(name: str) -> frozenset[str]:
        record = records.get(name, NOTHING)
        return record.done if record.release == release else frozenset()

    return sorted(name for name, components in wanted.items() if not set(components) <= done(name))


def note(etcd: Etcd, name: str, release: str, component: str) -> None:
    """Record that machine `name` runs a component of the release; later, where etcd does not answer."""
    before, at = _written()
    known = before.done if before.release == release else frozenset()
    if component in known and time.monotonic() - at < AGAIN_SECONDS:
        return
    record = Record(release, known | {component})
    try:
        etcd.put(f"{PREFIX}{name}", record.text())
    except Silent as error:
        return print(f"not recorded yet: {error}", flush=True)
    write(WRITTEN, json.dumps({**json.loads(record.text()), "at": time.monotonic()}))


def _written() -> tuple[Record, float]:
    """What this machine last wrote, and when, as monotonic time."""
    if not WRITTEN.exists():
        return NOTHING, 0.0
    described = json.loads(WRITTEN.read_text())
    return _record(described), float(described["at"])


def _record(described: Mapping[str, Any]) -> Record:
    return Record(described["release"], frozenset(described["done"]))
