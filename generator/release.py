"""The release: the one document that every machine converges to. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from ipaddress import IPv4Network
from typing import Any

from generator import addons
from generator.components import Container, containers
from generator.definition import Definition
from generator.lock import Lock
from generator.topology import CONTROL_PLANE_TAINT, Topology

RUNTIMES: Mapping[str, tuple[str, ...]] = {  # where an image is needed, if not in Docker
    "pause": ("containerd",),
    "coredns": ("containerd",),
    "weave-npc": ("containerd",),
}


def document(definition: Definition, lock: Lock, topology: Topology, node: str) -> bytes:
    """The release as JSON; `node` is the SHA-256 of the node archive."""
    network = replace(definition.network, driver=lock.driver)  # the definition may leave it to the lock
    parts = containers(topology, network, lock.driver, dns_address(network.services))
    content = {
        "apiVersion": "anywhere/v1",
        "kind": "Release",
        "cluster": definition.name,
        "kubernetes": lock.kubernetes,
        "node": node,
        "registry": definition.registry,
        "images": images(lock),
        "network": {
            "driver": network.driver,
            "encryption": network.encryption,
            "machines": str(network.machines),
            "pods": str(network.pods),
            "services": str(network.services),
            "peers": list(topology.peers),
            "names": names(topology),
        },
        "groups": groups(definition),
        "roles": roles(topology, parts, lock),
        "addons": addons.manifests(definition, lock, dns_address(network.services)),
    }
    return json.dumps(content, indent=1, sort_keys=True).encode() + b"\n"


def dns_address(services: IPv4Network) -> str:
    """The tenth address of the Services network, by custom the cluster's DNS."""
    return str(services.network_address + 10)


def runtimes(image: str) -> tuple[str, ...]:
    """Which of docker and containerd load an image on a node, by its name in the lock."""
    return RUNTIMES.get(image, ("docker",))


def images(lock: Lock) -> dict[str, Any]:
    """What machines may need, by name."""
    return {
        name: {
            "ref": image.ref,
            "id": image.id,
            "archive": image.archive,
            "runtimes": list(runtimes(name)),
        }
        for name, image in lock.images.items()
    }


def names(topology: Topology) -> dict[str, list[str]]:
    """The control plane's fixed names and the machines behind them, for networks without a DNS of their own."""
    found = {"kube-apiserver.weave.local": [m.address for m in topology.having("kube-apiserver")]}
    for number, machine in enumerate(topology.having("etcd"), 1):
        found[f"etcd{number}.weave.local"] = [machine.address]
    return found


def groups(definition: Definition) -> dict[str, Any]:
    """Labels and taints that a machine registers with, by group. No other group's change touches it."""
    control = () if definition.masters.schedulable else (CONTROL_PLANE_TAINT,)
    found: dict[str, Any] = {"etcd": {"labels": {}, "taints": []}, "master": {"labels": {}, "taints": list(control)}}
    for pool in definition.workers:
        labels = {"node.kubernetes.io/pool": pool.name, **pool.labels}
        found[f"worker-{pool.name}"] = {"labels": labels, "taints": list(pool.taints)}
    return found


def roles(topology: Topology, parts: Mapping[str, Container], lock: Lock) -> dict[str, Any]:
    """The containers and images of each role that the cluster has, in start order."""
    pods = [name for name in lock.images if "containerd" in runtimes(name)]
    found = {}
    for machine in topology.machines:
        chosen = [parts[component] for component in machine.components]
        needed = {part.image for part in chosen} | (set(pods) if "kubelet" in machine.components else set())
        found[machine.role] = {"containers": [asdict(part) for part in chosen], "images": sorted(needed)}
    return found
