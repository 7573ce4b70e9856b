"""Halts: what was put back is not tried again, by no machine, until its description changes or a person says so.

A halt is a key in etcd. A machine that cannot reach etcd remembers its own for a while.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from agent.etcd import Etcd
from agent.files import write
from agent.host import RUN, NodeError
from agent.turns import DEBIAN

PREFIX = "/anywhere/halted/"
REFUSED_SECONDS = 1800


@dataclass(frozen=True)
class Halt:
    """`machine` put `component` back. `identity` is that of the description that failed, the same on every machine."""

    component: str
    identity: str
    release: str
    machine: str
    reason: str


def refuse(etcd: Etcd, component: str, identity: str) -> None:
    """NodeError where this description of the component was put back somewhere."""
    halt = read(etcd).get(component)
    if halt and halt.identity == identity:
        did = "could not update its packages" if component == DEBIAN else f"put {component} back"
        raise NodeError(f"the rollout is halted: {halt.machine} {did}: {halt.reason}")


def read(etcd: Etcd) -> dict[str, Halt]:
    """The halts, by component."""
    found = (_halt(json.loads(text)) for text in etcd.all(PREFIX).values())
    return {halt.component: halt for halt in found}


def record(etcd: Etcd, halt: Halt) -> None:
    etcd.put(f"{PREFIX}{halt.component}", json.dumps(asdict(halt)))


def clear(etcd: Etcd, component: str, identity: str) -> None:
    """Forget the halt of a component once another description of it works."""
    halt = read(etcd).get(component)
    if halt and halt.identity != identity:
        forget(etcd, component)


def forget(etcd: Etcd, component: str) -> None:
    etcd.delete(f"{PREFIX}{component}")


def refuse_alone(component: str, identity: str) -> None:
    """Like `refuse`, for a machine that knows of its own attempts only."""
    path = RUN / f"refused-{component}"
    before, _, at = path.read_text().partition(" ") if path.exists() else ("", "", "")
    left = REFUSED_SECONDS - (time.monotonic() - float(at or 0))  # monotonic, as clocks may change
    if before == identity and left > 0:
        raise NodeError(f"{component}: this version was not healthy; next attempt in {left / 60:.0f} minutes")


def record_alone(component: str, identity: str) -> None:
    write(RUN / f"refused-{component}", f"{identity} {time.monotonic()}")


def _halt(described: Mapping[str, Any]) -> Halt:
    return Halt(**{name: str(described.get(name, "")) for name in Halt.__dataclass_fields__})
