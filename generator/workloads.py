"""What the API says of add-ons, their pods, and the leaders of the control plane. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

NAMESPACE = "kube-system"
CRASHES, NO_IMAGE, UNSCHEDULED, NOT_CREATED = "crashes", "has no image", "is not scheduled", "is not created"
FAILED, COMPLETE, SUSPENDED = "Failed", "Complete", "Suspended"  # how a Job ends
RESTARTED = "restarted just now"  # it is ready, but whether it stays so is open
# Reasons of a container that waits, by what they mean; others, such as ContainerCreating, pass.
_WAITING = {
    "CrashLoopBackOff": CRASHES,
    **dict.fromkeys(("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"), NO_IMAGE),
    **dict.fromkeys(("CreateContainerConfigError", "CreateContainerError", "RunContainerError"), NOT_CREATED),
}


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment, DaemonSet or StatefulSet. `wanted`, `updated` and `available` count pods.

    `processed` says whether its controller has seen its current version. `reason` is why pods cannot be made, if so.
    """

    kind: str
    name: str
    labels: Mapping[str, str]
    processed: bool
    wanted: int
    made: int
    updated: int
    available: int
    reason: str = ""
    namespace: str = NAMESPACE

    @property
    def rolled_out(self) -> bool:
        """Whether all of its pods are available and of its current version."""
        return self.processed and min(self.updated, self.available) >= self.wanted and self.made <= self.wanted


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod. `trouble` is one of the words above, or "" where it is ready or may become so; `detail` says why.

    `container` is the one that crashes. `restarted` is when one that had failed was started again, in seconds since the
    epoch by the machine's clock.
    """

    name: str
    node: str
    labels: Mapping[str, str]
    ready: bool
    restarts: int
    trouble: str = ""
    detail: str = ""
    container: str = ""
    restarted: float = -math.inf


@dataclass(frozen=True, slots=True)
class Lease:
    """Who leads. `renewed` is a time of the leader's clock: only whether it changes tells anything."""

    name: str
    holder: str
    renewed: str
    transitions: int


def deployment_of(item: Mapping[str, Any]) -> Workload:
    """A Deployment from its API object."""
    spec, status = item["spec"], item.get("status", {})
    failures = (c for c in status.get("conditions", ()) if c["type"] == "ReplicaFailure" and c["status"] == "True")
    return Workload(
        kind="Deployment",
        name=item["metadata"]["name"],
        labels=spec["selector"]["matchLabels"],
        processed=status.get("observedGeneration", 0) >= item["metadata"]["generation"],
        wanted=spec.get("replicas", 1),
        made=status.get("replicas", 0),
        updated=status.get("updatedReplicas", 0),
        available=status.get("availableReplicas", 0),
        reason=next((failure.get("message", "") for failure in failures), ""),
        namespace=_namespace(item),
    )


def stateful_set_of(item: Mapping[str, Any]) -> Workload:
    """A StatefulSet from its API object. One that replaces pods only where somebody deletes them is as it is to be."""
    spec, status = item["spec"], item.get("status", {})
    available = status.get("availableReplicas", 0)
    by_hand = spec.get("updateStrategy", {}).get("type") == "OnDelete"
    return Workload(
        kind="StatefulSet",
        name=item["metadata"]["name"],
        labels=spec["selector"]["matchLabels"],
        processed=status.get("observedGeneration", 0) >= item["metadata"]["generation"],
        wanted=spec.get("replicas", 1),
        made=status.get("replicas", 0),
        updated=available if by_hand else status.get("updatedReplicas", 0),
        available=available,
        namespace=_namespace(item),
    )


def daemon_set_of(item: Mapping[str, Any], nodes: int) -> Workload:
    """A DaemonSet from its API object, which is to run on `nodes` nodes.

    Its own count includes nodes whose machine is gone, and lacks nodes that its controller does not know yet.
    """
    status = item.get("status", {})
    return Workload(
        kind="DaemonSet",
        name=item["metadata"]["name"],
        labels=item["spec"]["selector"]["matchLabels"],
        processed=status.get("observedGeneration", 0) >= item["metadata"]["generation"],
        wanted=nodes,
        made=min(nodes, status.get("currentNumberScheduled", 0)),
        updated=status.get("updatedNumberScheduled", 0),
        available=status.get("numberAvailable", 0),
        namespace=_namespace(item),
    )


@dataclass(frozen=True, slots=True)
class Job:
    """A Job; `end` is how it ended, "" while it has not, and `detail` says why it failed."""

    name: str
    namespace: str
    labels: Mapping[str, str]
    active: int
    end: str
    detail: str


def job_of(item: Mapping[str, Any]) -> Job:
    """A Job from its API object. One that is suspended has nothing to do."""
    status = item.get("status", {})
    conditions = {c["type"]: c for c in status.get("conditions", ()) if c["status"] == "True"}
    end = next((word for word in (FAILED, COMPLETE, SUSPENDED) if word in conditions), "")
    return Job(
        name=item["metadata"]["name"],
        namespace=_namespace(item),
        labels=item["spec"].get("selector", {}).get("matchLabels", {}),
        active=status.get("active", 0),
        end=end,
        detail=conditions[end].get("message", "") if end else "",
    )


def pod_of(item: Mapping[str, Any]) -> Pod:
    """A pod from its API object."""
    status = item.get("status", {})
    conditions = {c["type"]: c for c in status.get("conditions", ())}
    ready = conditions.get("Ready", {}).get("status") == "True"
    containers = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
    trouble, detail, container = ("", "", "") if ready else _trouble(conditions, containers)
    return Pod(
        name=item["metadata"]["name"],
        node=item["spec"].get("nodeName", ""),
        labels=item["metadata"].get("labels", {}),
        ready=ready,
        restarts=sum(c.get("restartCount", 0) for c in containers),
        trouble=trouble,
        detail=detail,
        container=container,
        restarted=max(map(_restarted, containers), default=-math.inf),
    )


def lease_of(item: Mapping[str, Any]) -> Lease:
    """A lease from its API object."""
    spec = item["spec"]
    # A holder is the machine's name with a random part.
    holder = (spec.get("holderIdentity") or "").partition("_")[0]
    return Lease(item["metadata"]["name"], holder, spec.get("renewTime") or "", spec.get("leaseTransitions") or 0)


def _namespace(item: Mapping[str, Any]) -> str:
    return str(item["metadata"].get("namespace", NAMESPACE))


def pods_of(workload: Workload | Job, pods: Iterable[Pod]) -> tuple[Pod, ...]:
    """The pods that `workload` selects."""
    return tuple(pod for pod in pods if workload.labels.items() <= pod.labels.items())


def _trouble(conditions: Mapping[str, Any], containers: Iterable[Mapping[str, Any]]) -> tuple[str, str, str]:
    """What is wrong with a pod that is not ready: a word, why, and the container that crashes."""
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") != "True":
        return UNSCHEDULED, scheduled.get("message") or "no scheduler has looked at it", ""
    for container in containers:
        waiting = container.get("state", {}).get("waiting", {})
        ended = container.get("state", {}).get("terminated") or container.get("lastState", {}).get("terminated")
        trouble = _WAITING.get(waiting.get("reason", ""), "")
        if trouble not in ("", CRASHES):
            return trouble, waiting.get("message") or waiting["reason"], ""
        if trouble or (ended and ended.get("exitCode") and not container.get("ready")):
            return CRASHES, _end(container, ended or {}), container["name"]
    return "", "", ""


def _restarted(container: Mapping[str, Any]) -> float:
    """When a container that runs was started again after a failure."""
    ended, runs = container.get("lastState", {}).get("terminated", {}), container.get("state", {}).get("running", {})
    if not (ended.get("exitCode") and runs.get("startedAt")):
        return -math.inf
    return datetime.fromisoformat(runs["startedAt"]).timestamp()


def _end(container: Mapping[str, Any], ended: Mapping[str, Any]) -> str:
    """How a container ended last, and how often it was restarted."""
    times = container.get("restartCount", 0)
    how = f"{ended.get('reason', 'Error')}, exit {ended.get('exitCode', '?')}"
    return f"{how}, {times} restart{'' if times == 1 else 's'}"
