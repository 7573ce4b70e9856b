"""Health checks of components, and of the API as other machines reach it."""

from __future__ import annotations

import ssl
import time
import urllib.parse
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from agent import api, host, probe
from agent.docker import Docker
from agent.host import NodeError

MEANWHILE_SECONDS = 30  # as often as the timer of a machine that does not wait
CRASHES = 5  # restarts of a new container after which it is not waited for


def healthy(spec: Mapping[str, Any], engine: Docker) -> bool:
    """Whether the component is alive, as far as it can say."""
    return _answers(spec["name"], spec["health"], engine)


def serves(spec: Mapping[str, Any], engine: Docker) -> bool:
    """Whether the component does its part for others. A member of etcd may be alive without a majority."""
    return _answers(spec["name"], spec["ready"] or spec["health"], engine)


def _answers(name: str, url: str, engine: Docker) -> bool:
    """Whether a health check of container `name` succeeds."""
    status = _status(name, url, engine)
    return status is not None and status < 400


def _status(name: str, url: str, engine: Docker) -> int | None:
    """The HTTP status with which container `name` answers in its own network namespace; None where it does not."""
    container = engine.inspect(name)
    if container is None or not container["State"]["Running"]:
        return None
    pid = container["State"]["Pid"]
    return probe.status(pid, url) if probe.listens(pid, urllib.parse.urlsplit(url).port) else None


def wait(spec: Mapping[str, Any], engine: Docker) -> None:
    """Wait until the component is healthy; NodeError after its `health_seconds`."""
    if spec["health"]:
        host.wait(spec["name"], lambda: healthy(spec, engine), spec["health_seconds"])


def wait_answering(spec: Mapping[str, Any], engine: Docker) -> None:
    """Wait until the component says anything, be it that it is not healthy; returns where it crashes or is slow."""

    def answers() -> bool:
        container = engine.inspect(spec["name"])
        if container is None or container["RestartCount"] > 0:
            return True
        return _status(spec["name"], spec["health"], engine) is not None

    with suppress(NodeError):  # who waits until it is healthy tells of it
        host.wait(spec["name"], answers, spec["health_seconds"])


def wait_serving(spec: Mapping[str, Any], engine: Docker) -> None:
    """Wait until a component that took another's place serves; NodeError after its `health_seconds`, or if it crashes.

    What took the place of something that worked is known by its first crashes.
    """

    def ready() -> bool:
        container = engine.inspect(spec["name"])
        if container and container["RestartCount"] >= CRASHES:
            raise NodeError(f"it ended {container['RestartCount']} times, with exit {container['State']['ExitCode']}")
        return serves(spec, engine)

    if spec["health"]:
        host.wait(spec["name"], ready, spec["health_seconds"])


def api_ready(ca: str, seconds: float, meanwhile: Callable[[], None]) -> None:
    """Wait until an API server answers under its fixed name, verified by the cluster's CA (a file's path).

    `meanwhile` is called from time to time.
    """
    url, path = f"https://{api.NAME}:{api.PORT}", "/readyz"
    tls, called = ssl.create_default_context(cafile=ca), time.monotonic()

    def ready() -> bool:
        nonlocal called
        if time.monotonic() - called > MEANWHILE_SECONDS:
            meanwhile()
            called = time.monotonic()
        return api.answers(api.NAME, tls, path)

    try:
        host.wait(f"{url}{path}", ready, seconds)
    except NodeError as error:
        raise NodeError(f"{error}: is a master up, and does its network reach this machine?") from error
