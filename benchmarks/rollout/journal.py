"""When each worker was given its turn, and when it ran the release: seen from the API, as it happens."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from agent.api import ApiError
from agent.drain import NODES
from agent.host import NodeError
from agent.rollout import STATUS
from agent.turns.worker import RELEASE, TURN

from benchmarks.rollout.place import Place


@dataclass(frozen=True, slots=True)
class Wave:
    """`workers` that had their turn together, `begin` seconds after the release was there, and took `seconds`."""

    workers: int
    begin: float
    seconds: float


class Journal:
    """Times by release, then by worker: `given` its turn, and `done`."""

    def __init__(self, place: Place) -> None:
        self.given: dict[str, dict[str, float]] = {}
        self.done: dict[str, dict[str, float]] = {}
        self._place = place
        threading.Thread(target=self._watch, daemon=True).start()

    def waves(self, release: str, begin: float) -> list[Wave]:
        return waves(self.given.get(release, {}), self.done.get(release, {}), begin)

    def status(self) -> Mapping[str, Any]:
        """What `anywhere` is told of the rollout, {} while that is nothing."""
        with suppress(ApiError):
            found: Mapping[str, Any] = json.loads(self._place.administrator().call("GET", STATUS)["data"]["status"])
            return found
        return {}

    def _watch(self) -> None:
        while True:
            with suppress(NodeError, OSError, http.client.HTTPException):
                for node in self._place.administrator().watch(NODES):
                    self._note(node)

    def _note(self, node: Mapping[str, Any]) -> None:
        now, annotations = time.monotonic(), node["metadata"].get("annotations", {})
        for annotation, times in ((TURN, self.given), (RELEASE, self.done)):
            if release := annotations.get(annotation):
                times.setdefault(release, {}).setdefault(node["metadata"]["name"], now)


def waves(given: Mapping[str, float], done: Mapping[str, float], begin: float) -> list[Wave]:
    """The waves that all of them had their turn in: one begins where all who had theirs are done."""
    groups: list[list[str]] = []
    for name in sorted(given, key=lambda name: given[name]):
        if not groups or all(done.get(other, given[name]) < given[name] for other in groups[-1]):
            groups.append([])
        groups[-1].append(name)
    return [_wave(group, given, done, begin) for group in groups]


def _wave(names: Sequence[str], given: Mapping[str, float], done: Mapping[str, float], begin: float) -> Wave:
    first = min(given[name] for name in names)
    return Wave(len(names), first - begin, max(done.get(name, first) for name in names) - first)
