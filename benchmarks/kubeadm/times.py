"""When a cluster of one machine was ready, by what its own API says: looking on costs the machine nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from generator import workloads
from generator.kubernetes import Client


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds from power-on until the node, and the last of all pods, became Ready; they are whole ones."""

    node: float
    pods: float


def settled(client: Client) -> bool:
    """Whether all that the cluster wants to run is available; UnreachableError where the API does not answer."""
    deployments = [workloads.deployment_of(item) for item in client.items("/apis/apps/v1/deployments")]
    daemons = [workloads.daemon_set_of(item, 1) for item in client.items("/apis/apps/v1/daemonsets")]
    pods = [workloads.pod_of(item) for item in client.items("/api/v1/pods")]
    rolled_out = all(each.rolled_out for each in (*deployments, *daemons))
    return bool(deployments) and rolled_out and all(pod.ready for pod in pods)


def read(client: Client, powered_on: float) -> Times:
    """The times of a cluster that has settled; `powered_on` is in seconds since 1970."""
    nodes, pods = client.items("/api/v1/nodes"), client.items("/api/v1/pods")
    return Times(max(map(_became_ready, nodes)) - powered_on, max(map(_became_ready, pods)) - powered_on)


def _became_ready(item: Mapping[str, Any]) -> float:
    """When a node or pod became Ready last, in seconds since 1970."""
    (ready,) = (each for each in item["status"]["conditions"] if each["type"] == "Ready")
    return datetime.fromisoformat(ready["lastTransitionTime"]).timestamp()
