"""Collecting the garbage of the registry in the cluster: layers that no image has any more.

Its pod collects before it serves, each time that it starts. So nobody pushes meanwhile, and what was interrupted is
done by the next start. To collect, it is started anew.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from generator.errors import UserError
from generator.kubernetes import Client, UnreachableError
from generator.operations.registry_users import OF_REGISTRY, PODS

DEPLOYMENT = "/apis/apps/v1/namespaces/kube-system/deployments/registry"
ASKED = "anywhere/collected"  # an annotation of the pods
POLL = 1.0


def run(client: Client, timeout: float) -> str:
    """Start the registry anew, and wait until it serves; what its collector said."""
    if client.find(DEPLOYMENT) is None:
        raise UserError("The registry is not installed yet.", "`anywhere apply` installs it.")
    mark = datetime.now(UTC).isoformat()
    client.patch(DEPLOYMENT, {"spec": {"template": {"metadata": {"annotations": {ASKED: mark}}}}})
    said = _wait(client, mark, timeout)
    if not said.startswith("freed "):
        raise UserError(f"Nothing was collected: {said}.", "The registry serves all the same.")
    return said


def _wait(client: Client, mark: str, timeout: float) -> str:
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if (pod := _started(client, mark)) and _serves(pod):
            return _said(pod)
        client.pause(POLL)
    raise UserError(
        f"The registry does not serve {timeout:.0f} s after it was started anew.",
        "It may still be collecting. `anywhere status` says what it waits for; nothing is lost.",
    )


def _started(client: Client, mark: str) -> Mapping[str, Any] | None:
    """The pod that was started for this; None while there is none, or the API is away."""
    try:
        pods = client.get(f"{PODS}?{OF_REGISTRY}")["items"]
    except UnreachableError:
        return None
    return next((pod for pod in pods if pod["metadata"].get("annotations", {}).get(ASKED) == mark), None)


def _serves(pod: Mapping[str, Any]) -> bool:
    conditions = pod.get("status", {}).get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _said(pod: Mapping[str, Any]) -> str:
    """The collector's last word, which Kubernetes keeps."""
    statuses = pod["status"].get("initContainerStatuses", ())
    words = (each.get("state", {}).get("terminated", {}).get("message", "") for each in statuses)
    return next(filter(None, words), "the collector said nothing")
