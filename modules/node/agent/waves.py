"""Which workers have their turn next: one, then a few, then more, each wave once the one before runs and is Ready."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agent import cordon
from agent.turns.worker import BOOTS, EMPTIED, RELEASE, TURN, WAITS

FEW = 0.05  # of all workers, in the second wave


@dataclass(frozen=True)
class Worker:
    """A worker's node. `release` runs on it whole, `turn` was given to it, and for `waits` it asked.

    For `boots` it asked to be emptied, so that it may boot, and for `emptied` it was.
    """

    name: str
    release: str
    turn: str
    waits: str
    ready: bool
    boots: str = ""
    emptied: str = ""


def worker_of(node: Mapping[str, Any]) -> Worker:
    annotations = node["metadata"].get("annotations", {})
    return Worker(
        name=node["metadata"]["name"],
        release=annotations.get(RELEASE, ""),
        turn=annotations.get(TURN, ""),
        waits=annotations.get(WAITS, ""),
        ready=cordon.is_ready(node),
        boots=annotations.get(BOOTS, ""),
        emptied=annotations.get(EMPTIED, ""),
    )


def unfinished(workers: Iterable[Worker], release: str) -> list[str]:
    """The workers that have their turn, and do not run the release or are not Ready yet."""
    having = (worker for worker in workers if worker.turn == release)
    return sorted(worker.name for worker in having if worker.release != release or not worker.ready)


def following(workers: Iterable[Worker], release: str, share: float) -> list[str]:
    """The workers of the next wave, none while one is under way; `share` is the largest part of all in one wave."""
    known = list(workers)
    if unfinished(known, release):
        return []
    done = sum(worker.turn == release for worker in known)
    few = math.ceil(FEW * len(known))
    size = 1 if not done else few if done <= few else math.ceil(share * len(known))
    waiting = sorted(w.name for w in known if w.waits == release and release not in (w.turn, w.release))
    return waiting[: max(1, size)]


def booting(workers: Iterable[Worker], release: str) -> str:
    """The worker that is to be emptied now, so that it boots; "" where none asks, or while another is away."""
    having = [worker for worker in workers if worker.turn == release and worker.release != release]
    if any(worker.emptied == release for worker in having):
        return ""
    return min((worker.name for worker in having if worker.boots == release), default="")
