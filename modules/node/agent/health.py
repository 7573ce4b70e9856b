"""Health checks, run in the network namespace of the component."""

from __future__ import annotations

import subprocess
import time
import urllib.parse
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from agent import host
from agent.docker import Docker
from agent.host import NodeError

MEANWHILE_SECONDS = 30  # as often as the timer of a machine that does not wait
CRASHES = 5  # restarts of a new container after which it is not waited for
PROC = Path("/proc")
LISTEN = "0A"  # of the states in proc_net_tcp(5)


def healthy(spec: Mapping[str, Any], engine: Docker) -> bool:
    """Whether the component is alive, as far as it can say."""
    return _answers(spec["name"], spec["health"], engine)


def serves(spec: Mapping[str, Any], engine: Docker) -> bool:
    """Whether the component does its part for others. A member of etcd may be alive without a majority."""
    return _answers(spec["name"], spec["ready"] or spec["health"], engine)


def _answers(name: str, url: str, engine: Docker) -> bool:
    """Whether a health check of container `name` succeeds."""
    return _asked(name, url, engine, "--fail")


def _asked(name: str, url: str, engine: Docker, *options: str) -> bool:
    """Whether curl, with these options, takes what container `name` answers.

    The address is on the loopback of the component's own namespace, where nothing else can listen, so the certificate
    is not verified.
    """
    container = engine.inspect(name)
    if container is None or not container["State"]["Running"]:
        return False
    pid = str(container["State"]["Pid"])
    if not _listens(pid, urllib.parse.urlsplit(url).port):
        return False
    probe = ["curl", "--silent", *options, "--insecure", "--max-time", "5", "--output", "/dev/null", url]
    return subprocess.run(["nsenter", "--net", "--target", pid, *probe], check=False).returncode == 0


def _listens(pid: str, port: int | None) -> bool:
    """Whether the port is open in the network namespace of process `pid`.

    While a component starts it is not, and to see that here costs nothing, unlike a probe: on a slow machine those
    would take time from what they wait for.
    """
    try:
        tables = [(PROC / pid / "net" / name).read_text() for name in ("tcp", "tcp6")]
    except OSError:  # it has just ended
        return False
    sockets = (line.split() for table in tables for line in table.splitlines()[1:])
    return any(state == LISTEN and int(local.rpartition(":")[2], 16) == port for _, local, _, state, *_ in sockets)


def wait(spec: Mapping[str, Any], engine: Docker) -> None:
    """Wait until the component is healthy; NodeError after its `health_seconds`."""
    if spec["health"]:
        host.wait(spec["name"], lambda: healthy(spec, engine), spec["health_seconds"])


def wait_answering(spec: Mapping[str, Any], engine: Docker) -> None:
    """Wait until the component says anything, be it that it is not healthy; returns where it crashes or is slow."""

    def answers() -> bool:
        container = engine.inspect(spec["name"])
        return container is None or container["RestartCount"] > 0 or _asked(spec["name"], spec["health"], engine)

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
    url = "https://kube-apiserver.weave.local:6443/readyz"
    called = time.monotonic()

    def ready() -> bool:
        nonlocal called
        if time.monotonic() - called > MEANWHILE_SECONDS:
            meanwhile()
            called = time.monotonic()
        probe = ["curl", "--silent", "--fail", "--cacert", ca, "--max-time", "5", "--output", "/dev/null", url]
        return subprocess.run(probe, check=False).returncode == 0

    try:
        host.wait(url, ready, seconds)
    except NodeError as error:
        raise NodeError(f"{error}: is a master up, and does its network reach this machine?") from error
