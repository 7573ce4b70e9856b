"""Keep containers as described: replace one that differs, and restore it if the new one is unhealthy."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agent.docker import Docker
from agent.host import NodeError
from agent.turns import Stop, Turns

LABEL = "anywhere.spec"  # what a container was made from


@dataclass(frozen=True)
class Wanted:
    """A container that is to run.

    `settings` are those of Docker's API, labelled. `wait` returns once the container is healthy; NodeError if it takes
    too long. `wait_replaced` is the same for one that takes the place of another, whose part it must take over.
    `creator` is the engine that creates and starts it. `prepare` is called before it is created. `stop` is what it
    takes one of the `turns` to stop.
    """

    name: str
    settings: dict[str, Any]
    wait: Callable[[], None]
    wait_replaced: Callable[[], None]
    turns: Turns
    stop: Stop
    creator: Docker
    stop_seconds: int
    prepare: Callable[[], None] = lambda: None

    @property
    def label(self) -> str:
        return str(self.settings["Labels"][LABEL])

    @property
    def previous(self) -> str:
        return previous(self.name)


def labelled(settings: dict[str, Any]) -> dict[str, Any]:
    """`settings` with a label that identifies them."""
    label = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    return settings | {"Labels": {**settings.get("Labels", {}), LABEL: label}}


def ensure(wanted: Wanted) -> bool:
    """Make the container run as wanted, and healthy; whether it was started or replaced."""
    engine = Docker()
    now, old = engine.inspect(wanted.name), engine.inspect(wanted.previous)
    changed = True
    if now and not old and (now["Config"]["Labels"] or {}).get(LABEL) == wanted.label:
        changed = _keep(engine, wanted, running=now["State"]["Running"])
    elif now or old:
        with wanted.turns.take(wanted.stop):
            _replace(engine, wanted)
    else:
        _begin(engine, wanted)
    wanted.turns.done(wanted.stop.component, wanted.stop.identity)
    return changed


def is_there(name: str) -> bool:
    """Whether there is a container `name`, or one that it takes the place of."""
    engine = Docker()
    return bool(engine.inspect(name) or engine.inspect(previous(name)))


def previous(name: str) -> str:
    """What a container is called until the one in its place is healthy."""
    return f"{name}-previous"


def create(wanted: Wanted) -> None:
    """Create the container, of which there is none, so that it starts sooner later."""
    wanted.prepare()
    wanted.creator.create(wanted.name, wanted.settings)


def start(wanted: Wanted) -> None:
    """Create and start the container, of which there is none, and do not wait for it: `ensure` does."""
    create(wanted)
    wanted.creator.start(wanted.name)


def _keep(engine: Docker, wanted: Wanted, *, running: bool) -> bool:
    """Have the container that is as wanted run and be healthy: one that hangs is restarted; whether it was started."""
    if not running:
        wanted.creator.start(wanted.name)
        _wait(engine, wanted)
        return True
    try:
        wanted.wait()
    except NodeError as error:
        log = engine.log_tail(wanted.name)
        print(f"{wanted.name}: {error}; it is restarted; log: {log}", flush=True)
        with wanted.turns.hold(wanted.stop):
            engine.stop(wanted.name, wanted.stop_seconds)
            wanted.creator.start(wanted.name)
            _wait(engine, wanted)
        return True
    return False


def _begin(engine: Docker, wanted: Wanted) -> None:
    """Start the container where there was none, and wait until it is healthy; NodeError with the end of its log."""
    try:
        start(wanted)
        wanted.wait()
    except NodeError as error:
        raise NodeError(f"{wanted.name}: {error}; log: {engine.log_tail(wanted.name)}") from error


def _wait(engine: Docker, wanted: Wanted) -> None:
    """Wait until the container is healthy; NodeError with the end of its log."""
    try:
        wanted.wait()
    except NodeError as error:
        raise NodeError(f"{wanted.name}: {error}; log: {engine.log_tail(wanted.name)}") from error


def _replace(engine: Docker, wanted: Wanted) -> None:
    """Replace the old container with the wanted one, and restore it if the new one is not healthy."""
    name, old = wanted.name, wanted.previous
    if engine.inspect(old):
        engine.remove(name)  # a replacement was interrupted before the new container was known to be healthy
    else:
        engine.stop(name, wanted.stop_seconds)
        engine.rename(name, old)
    try:
        start(wanted)
        wanted.wait_replaced()
    except NodeError as error:
        log = engine.log_tail(name)
        engine.remove(name)
        engine.rename(old, name)
        wanted.creator.start(name)
        raise NodeError(f"{name}: {error}; the previous container is back; log: {log}") from error
    engine.remove(old)
