"""The nodes of workers, as their kubelets would have registered them, and the certificates of those kubelets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from agent.api import Api
from agent.drain import NODES

from benchmarks.rollout.machine import Machine
from generator.pki import certificate
from generator.pki.certificate import CLIENT, Leaf
from generator.store import Secrets

AUTHORITY, LIFE = "kubelet-client", timedelta(days=1)
RESOURCES = {"cpu": "2", "memory": "4026532Ki", "pods": "110", "ephemeral-storage": "20145724Ki"}
CONDITIONS = {"MemoryPressure": "False", "DiskPressure": "False", "PIDPressure": "False", "Ready": "True"}


def register(machines: Iterable[Machine], api: Api, secrets: Secrets, version: str) -> None:
    """Give each machine its certificate and its node; `version` is that of their kubelets."""
    now = datetime.now(UTC)
    for machine in machines:
        leaf = Leaf(AUTHORITY, f"system:node:{machine.name}", (CLIENT,), ("system:nodes",), life=LIFE)
        pair = certificate.issue(leaf, secrets.authorities[AUTHORITY], now)
        machine.folder.mkdir(parents=True)
        machine.certificate.write_text(pair.crt + pair.key)
        api.call("POST", NODES, node(machine.name, version, now.strftime("%Y-%m-%dT%H:%M:%SZ")))


def node(name: str, version: str, at: str) -> Mapping[str, Any]:
    """About as large as a real one: what a kubelet says of its machine, and of a dozen images."""
    images = [
        {"names": [f"anywhere.local/image-{number}@sha256:{number:064}", f"anywhere.local/image-{number}:v1.37.2"],
         "sizeBytes": 123456789}
        for number in range(12)
    ]  # fmt: skip
    conditions = [
        {"type": kind, "status": status, "reason": "AsExpected", "message": f"kubelet says {status} of {kind}",
         "lastHeartbeatTime": at, "lastTransitionTime": at}
        for kind, status in CONDITIONS.items()
    ]  # fmt: skip
    about = {
        "architecture": "amd64", "operatingSystem": "linux", "osImage": "Debian GNU/Linux 13 (trixie)",
        "kernelVersion": "6.12.48+deb13-amd64", "containerRuntimeVersion": "containerd://2.3.7", "bootID": name,
        "machineID": f"{name:0>32}", "systemUUID": name, "kubeletVersion": version, "kubeProxyVersion": "",
    }  # fmt: skip
    labels = {
        "kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux", "kubernetes.io/hostname": name,
        "beta.kubernetes.io/arch": "amd64", "beta.kubernetes.io/os": "linux",
    }  # fmt: skip
    status = {
        "capacity": RESOURCES, "allocatable": RESOURCES, "conditions": conditions, "images": images, "nodeInfo": about,
        "addresses": [{"type": "Hostname", "address": name}],
    }  # fmt: skip
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "status": status}
