"""Containers that are as described: each is replaced where it differs, or put back where the new one is unhealthy."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.docker import Docker
from agent.files import write
from agent.host import RUN, NodeError

LABEL = "anywhere.spec"  # what a container was made from
REFUSED_SECONDS = 1800


@dataclass(frozen=True)
class Wanted:
    """A container that is to run.

    `settings` is what Docker's API is given, labelled. `wait` returns once the container is healthy, NodeError where it
    does not become so. `creator` is the engine that creates and starts it. `prepare` is called before one is created.
    """

    name: str
    settings: dict[str, Any]
    wait: Callable[[], None]
    creator: Docker
    stop_seconds: int
    prepare: Callable[[], None] = lambda: None

    @property
    def label(self) -> str:
        return str(self.settings["Labels"][LABEL])

    @property
    def previous(self) -> str:
        """What a container is called until the one in its place is healthy."""
        return f"{self.name}-previous"

    @property
    def refused(self) -> Path:
        """Holds the label of what was put back, and the monotonic time of that: clocks may change."""
        return RUN / f"refused-{self.name}"


def labelled(settings: dict[str, Any]) -> dict[str, Any]:
    """`settings` with the label that tells them from all others."""
    label = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    return settings | {"Labels": {**settings.get("Labels", {}), LABEL: label}}


def ensure(wanted: Wanted) -> bool:
    """Have the container run, healthy, as it is wanted; whether something was started or replaced."""
    engine = Docker()
    now = engine.inspect(wanted.name)
    same = now and (now["Config"]["Labels"] or {}).get(LABEL) == wanted.label
    if now and same and not engine.inspect(wanted.previous):
        if not now["State"]["Running"]:
            wanted.creator.start(wanted.name)
        wanted.wait()
        return not now["State"]["Running"]
    _refuse_again(wanted)
    _replace(engine, wanted)
    return True


def _refuse_again(wanted: Wanted) -> None:
    """Leave what was put back alone for a while: each attempt takes a healthy container away for minutes."""
    before, _, at = wanted.refused.read_text().partition(" ") if wanted.refused.exists() else ("", "", "")
    if before != wanted.label:
        return
    left = REFUSED_SECONDS - (time.monotonic() - float(at))
    if left > 0:
        minutes = f"{left / 60:.0f} minutes"
        raise NodeError(f"{wanted.name}: what the release asks for was not healthy; tried again in {minutes}")


def _replace(engine: Docker, wanted: Wanted) -> None:
    """Put the wanted container in the place of the old one; the old one comes back where the new is not healthy."""
    name, old = wanted.name, wanted.previous
    if engine.inspect(old):
        engine.remove(name)  # a replacement that was cut short, so nobody knows whether it is healthy
    elif engine.inspect(name):
        engine.stop(name, wanted.stop_seconds)
        engine.rename(name, old)
    try:
        wanted.prepare()
        wanted.creator.create(name, wanted.settings)
        wanted.creator.start(name)
        wanted.wait()
    except NodeError as error:
        said = engine.log_tail(name)
        if engine.inspect(old):
            engine.remove(name)
            engine.rename(old, name)
            wanted.creator.start(name)
            write(wanted.refused, f"{wanted.label} {time.monotonic()}")
            raise NodeError(f"{name}: {error}; the previous container is back; it said: {said}") from error
        raise NodeError(f"{name}: {error}; it said: {said}") from error
    engine.remove(old)
