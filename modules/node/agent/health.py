"""Health checks, run in the network namespace of the component."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from typing import Any

from agent import host
from agent.docker import Docker
from agent.host import NodeError


def healthy(spec: Mapping[str, Any], engine: Docker) -> bool:
    """Whether the component answers its health check with success.

    The address is on the loopback of the component's own namespace, where nothing else can listen, so the certificate
    is not verified.
    """
    container = engine.inspect(spec["name"])
    if container is None or not container["State"]["Running"]:
        return False
    probe = ["curl", "--silent", "--fail", "--insecure", "--max-time", "5", "--output", "/dev/null", spec["health"]]
    pid = str(container["State"]["Pid"])
    return subprocess.run(["nsenter", "--net", "--target", pid, *probe], check=False).returncode == 0


def wait(spec: Mapping[str, Any], engine: Docker) -> None:
    """Wait until the component is healthy; NodeError after its `health_seconds`."""
    if spec["health"]:
        host.wait(spec["name"], lambda: healthy(spec, engine), spec["health_seconds"])


def api_ready(ca: str, seconds: float) -> None:
    """Wait until an API server answers under its fixed name, verified by the cluster's CA (a file's path)."""
    url = "https://kube-apiserver.weave.local:6443/readyz"

    def ready() -> bool:
        probe = ["curl", "--silent", "--fail", "--cacert", ca, "--max-time", "5", "--output", "/dev/null", url]
        return subprocess.run(probe, check=False).returncode == 0

    try:
        host.wait(url, ready, seconds)
    except NodeError as error:
        raise NodeError(f"{error}: is a master up, and does its network reach this machine?") from error
