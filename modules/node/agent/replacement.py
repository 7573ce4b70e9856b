"""Keep containers as described: replace one that differs, and restore it if the new one is unhealthy."""

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

    `settings` are those of Docker's API, labelled. `wait` returns once the container is healthy; NodeError if it takes
    too long. `creator` is the engine that creates and starts it. `prepare` is called before it is created.
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
        return previous(self.name)

    @property
    def refused(self) -> Path:
        """Holds the label of the container that failed, and when, as monotonic time: clocks may change."""
        return RUN / f"refused-{self.name}"


def labelled(settings: dict[str, Any]) -> dict[str, Any]:
    """`settings` with a label that identifies them."""
    label = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    return settings | {"Labels": {**settings.get("Labels", {}), LABEL: label}}


def ensure(wanted: Wanted) -> bool:
    """Make the container run as wanted, and healthy; whether it was started or replaced."""
    engine = Docker()
    now = engine.inspect(wanted.name)
    same = now and (now["Config"]["Labels"] or {}).get(LABEL) == wanted.label
    if now and same and not engine.inspect(wanted.previous):
        if not now["State"]["Running"]:
            wanted.creator.start(wanted.name)
        _wait(engine, wanted)
        return not now["State"]["Running"]
    _refuse_again(wanted)
    _replace(engine, wanted)
    return True


def is_there(name: str) -> bool:
    """Whether there is a container `name`, or one that it takes the place of."""
    engine = Docker()
    return bool(engine.inspect(name) or engine.inspect(previous(name)))


def previous(name: str) -> str:
    """What a container is called until the one in its place is healthy."""
    return f"{name}-previous"


def start(wanted: Wanted) -> None:
    """Create and start the container, of which there is none, and do not wait for it: `ensure` does."""
    wanted.prepare()
    wanted.creator.create(wanted.name, wanted.settings)
    wanted.creator.start(wanted.name)


def _wait(engine: Docker, wanted: Wanted) -> None:
    """Wait until the container is healthy; NodeError with the end of its log."""
    try:
        wanted.wait()
    except NodeError as error:
        raise NodeError(f"{wanted.name}: {error}; log: {engine.log_tail(wanted.name)}") from error


def _refuse_again(wanted: Wanted) -> None:
    """Do not retry a container that failed for a while: each attempt stops a healthy one for minutes."""
    before, _, at = wanted.refused.read_text().partition(" ") if wanted.refused.exists() else ("", "", "")
    if before != wanted.label:
        return
    left = REFUSED_SECONDS - (time.monotonic() - float(at))
    if left > 0:
        minutes = f"{left / 60:.0f} minutes"
        raise NodeError(
            f"{wanted.name}: the container that the release describes was not healthy; next attempt in {minutes}"
        )


def _replace(engine: Docker, wanted: Wanted) -> None:
    """Replace the old container with the wanted one, and restore it if the new one is not healthy."""
    name, old = wanted.name, wanted.previous
    if engine.inspect(old):
        engine.remove(name)  # a replacement was interrupted before the new container was known to be healthy
    elif engine.inspect(name):
        engine.stop(name, wanted.stop_seconds)
        engine.rename(name, old)
    try:
        start(wanted)
        wanted.wait()
    except NodeError as error:
        log = engine.log_tail(name)
        if engine.inspect(old):
            engine.remove(name)
            engine.rename(old, name)
            wanted.creator.start(name)
            write(wanted.refused, f"{wanted.label} {time.monotonic()}")
            raise NodeError(f"{name}: {error}; the previous container is back; log: {log}") from error
        raise NodeError(f"{name}: {error}; log: {log}") from error
    engine.remove(old)
