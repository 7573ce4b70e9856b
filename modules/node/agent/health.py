"""Health: asked where the component listens, in its own network namespace."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from typing import Any

from agent import host
from agent.docker import Docker
from agent.host import NodeError


def healthy(spec: Mapping[str, Any], engine: Docker) -> bool:
    """Whether the component answers its health address with success.

    The address is on the loopback of the component's own namespace, so its certificate is not checked: nobody else
    can listen there.
    """
    found = engine.inspect(spec["name"])
    if found is None or not found["State"]["Running"]:
        return False
    asked = ["curl", "--silent", "--fail", "--insecure", "--max-time", "5", "--output", "/dev/null", spec["health"]]
    pid = str(found["State"]["Pid"])
    return subprocess.run(["nsenter", "--net", "--target", pid, *asked], check=False).returncode == 0


def wait(spec: Mapping[str, Any], engine: Docker) -> None:
    """Wait until the component is healthy; NodeError after its time."""
    if spec["health"]:
        host.wait(spec["name"], lambda: healthy(spec, engine), spec["health_seconds"])


def api_ready(ca: str, seconds: float) -> None:
    """Wait until an API server answers under its fixed name, verified by the cluster's CA (a file's path)."""
    url = "https://kube-apiserver.weave.local:6443/readyz"

    def ready() -> bool:
        asked = ["curl", "--silent", "--fail", "--cacert", ca, "--max-time", "5", "--output", "/dev/null", url]
        return subprocess.run(asked, check=False).returncode == 0

    try:
        host.wait(url, ready, seconds)
    except NodeError as error:
        raise NodeError(f"{error}: is a master up, and does its network reach this machine?") from error
