"""The proxy through which this machine reaches the outside. Pods do not get it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent import containerd, settings
from agent.docker import Docker
from agent.files import put
from agent.host import NodeError, run

# Read by containerd and Docker as they start, and by anywhere-fetch each time; user-data writes the first.
FILE = Path("/etc/anywhere/proxy.env")
PROC = Path("/proc")
NAMES = ("http_proxy", "https_proxy", "no_proxy")
CONTAINERD, DOCKER = containerd.UNIT, "docker.service"


def ensure(release: Mapping[str, Any]) -> None:
    """Have the proxy of the release.

    Pods outlive a restart of containerd. A restart of Docker would stop its containers, and so it waits until there
    are none, or for a boot: Docker only pulls, and only where there is a registry.
    """
    wanted: Mapping[str, str] = release["proxy"]
    if not wanted and not FILE.exists():
        return
    put(FILE, text(wanted))
    if not _runs_with(CONTAINERD, wanted):
        settings.restart(CONTAINERD)
    docker = _runs_with(DOCKER, wanted)
    if not docker and not _containers():
        settings.restart(DOCKER)
        docker = True
    if not wanted and docker:
        FILE.unlink()


def text(variables: Mapping[str, str]) -> str:
    """The variables as systemd and a shell both read them."""
    return "".join(f'{name}="{value}"\n' for name, value in sorted(variables.items()))


def _runs_with(unit: str, wanted: Mapping[str, str]) -> bool:
    """Whether a service has these variables of a proxy, and no others, or does not run yet."""
    process = run("systemctl", "show", "--property=MainPID", "--value", unit).strip()
    if process in ("", "0"):
        return True
    try:
        lines = (PROC / process / "environ").read_text(errors="replace").split("\0")
    except OSError:
        return True  # it has ended, and starts with them
    has = dict(line.split("=", 1) for line in lines if "=" in line)
    return all(has.get(name) == wanted.get(name) for name in (*NAMES, *map(str.upper, NAMES)))


def _containers() -> bool:
    """Whether Docker runs any."""
    try:
        return bool(Docker().call("GET", "/containers/json"))
    except NodeError:
        return False
