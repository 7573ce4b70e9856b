"""What this machine's kubelet reported of its node: one that took another's place works once the API has its word."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from agent import host
from agent.api import Api
from agent.docker import Docker
from agent.drain import NODES
from agent.host import NodeError
from agent.node_certificates import CA, CLIENT


def wait(container: str, seconds: float) -> None:
    """Wait until the kubelet in `container` reported that its node is Ready; NodeError after `seconds`.

    Without the API nothing can be known: the kubelet is alive, and that has to do.
    """
    found = Docker().inspect(container)
    since = datetime.fromisoformat(found["State"]["StartedAt"]) if found else None
    host.wait(f"the node of {container}", lambda: since is None or _is_reported(since), seconds)


def _is_reported(since: datetime) -> bool:
    try:
        node = Api(CA, CLIENT, CLIENT, 10).call("GET", f"{NODES}/{socket.gethostname().split('.')[0]}")
    except (NodeError, OSError, http.client.HTTPException):
        return True
    return is_ready(node, since)


def is_ready(node: Mapping[str, Any], since: datetime) -> bool:
    """Whether the node was Ready when its kubelet last reported, and that was not before `since`."""
    known = (each for each in node["status"].get("conditions", ()) if each["type"] == "Ready")
    ready: Mapping[str, str] | None = next(known, None)
    # The API knows whole seconds.
    return bool(
        ready
        and ready["status"] == "True"
        and datetime.fromisoformat(ready["lastHeartbeatTime"]) > since - timedelta(seconds=1)
    )
