"""Retire a machine of the control plane that the release no longer has: then its target may take it away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent import drain, leave, membership, service
from agent.docker import Docker
from agent.host import CONVERGED, Host
from agent.turns import Turns

# In this order: what asks the API before the API, and that before etcd. The kubelet stays until its pods have moved.
COMPONENTS = ("kube-controller-manager", "kube-scheduler", "kube-apiserver")
NODE = ("kubelet", "kube-proxy")
SERVICES = (
    *("anywhere-front.service", "anywhere-rollout.service", "anywhere-drain.service", "anywhere-approver.service"),
    *("anywhere-snapshot.service", "anywhere-measures.service"),
)
RETIRED = "retired"  # what is done then, as others read it


def due(release: Mapping[str, Any], me: Host) -> bool:
    return me.role != "worker" and me.name not in release["control_plane"]


def retire(release: Mapping[str, Any], me: Host, turns: Turns) -> None:
    """Move this machine's pods and stop its part of the control plane; it may be called again after a failure."""
    CONVERGED.unlink(missing_ok=True)
    for name in SERVICES:
        service.remove(name)
    engine = Docker()
    if engine.inspect("kubelet"):
        drain.drain(release["images"]["hyperkube"]["id"], me.name)
    for component in (*COMPONENTS, *NODE):
        engine.remove(component)
    if engine.inspect(me.member):
        membership.leave(release, me, turns)
        engine.remove(me.member)
    membership.forget()
    leave.prepare()  # once it is powered off, so that its part of the network's addresses is not lost with it
    turns.done(RETIRED, "")
