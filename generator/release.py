"""The release: the one document that every machine converges to. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from ipaddress import IPv4Network
from typing import Any

from generator import addons, dns_names, node_proxy
from generator.components import Container, containers, reserving
from generator.definition import Definition
from generator.lock import Image, Lock
from generator.topology import CONTROL_PLANE_TAINT, Topology, role_components

RUNTIMES: Mapping[str, tuple[str, ...]] = {  # where an image is needed, if not in Docker
    "pause": ("containerd",),
    "coredns": ("containerd",),
    "weave-npc": ("containerd",),
}


def document(
    definition: Definition, lock: Lock, topology: Topology, node: str, secrets: Mapping[str, Mapping[str, Any]]
) -> bytes:
    """The release as JSON; `node` is the SHA-256 of the node archive, `secrets` is {component: {roles, version}}."""
    network = definition.network
    content = {
        "apiVersion": "anywhere/v1",
        "kind": "Release",
        "cluster": definition.name,
        "kubernetes": lock.kubernetes,
        "node": node,
        "proxy": node_proxy.variables(definition),
        "registry": definition.registry.mirror if definition.registry else None,
        "registry_ca": definition.registry.ca if definition.registry else "",
        "secrets": {component: described["version"] for component, described in secrets.items()},
        "images": {arch: images(by_name, lock) for arch, by_name in lock.images.items()},
        # Here for every target, so that all have the same release.
        "host_loopback": definition.providers.local.host_loopback,
        "packages": {arch: packages.sha256 for arch, packages in lock.packages.items()},
        "network": {
            "driver": lock.driver,
            "encryption": network.encryption,
            "machines": str(network.machines),
            "pods": str(network.pods),
            "services": str(network.services),
            "peers": list(topology.peers),
            "names": names(topology),
        },
        "groups": groups(definition),
        "roles": roles(definition, _parts(definition, lock, topology), lock),
        "addons": addons.manifests(definition, lock, dns_address(network.services)),
        "dns": dns_question(definition),
    }
    return json.dumps(content, indent=1, sort_keys=True).encode() + b"\n"


def dns_address(services: IPv4Network) -> str:
    """The tenth address of the Services network, by custom the cluster's DNS."""
    return str(services.network_address + 10)


def dns_question(definition: Definition) -> dict[str, str] | None:
    """What machines ask to see that the cluster's DNS works; None where it is not one of the add-ons."""
    if "dns" not in definition.addons:
        return None
    return {"server": dns_address(definition.network.services), "name": dns_names.API_SERVICE}


def runtimes(image: str) -> tuple[str, ...]:
    """Which of docker and containerd load an image on a node, by its name in the lock."""
    return RUNTIMES.get(image, ("docker",))


def images(by_name: Mapping[str, Image], lock: Lock) -> dict[str, Any]:
    """What machines of one architecture may need, by name; `pod_ref` is what pods call it."""
    described = {}
    for name, image in by_name.items():
        held = runtimes(name)
        described[name] = {"ref": image.ref, "id": image.id, "archive": image.archive, "runtimes": list(held)}
        if "containerd" in held:
            described[name]["pod_ref"] = addons.pod_ref(lock, name)
    return described


def names(topology: Topology) -> dict[str, list[str]]:
    """The control plane's fixed names and the machines behind them, for networks without a DNS of their own."""
    addresses = {dns_names.API_SERVER: [m.address for m in topology.having("kube-apiserver")]}
    for number, machine in enumerate(topology.having("etcd"), 1):
        addresses[dns_names.etcd(f"etcd{number}")] = [machine.address]
    return addresses


def groups(definition: Definition) -> dict[str, Any]:
    """Labels and taints that a machine registers with, by group. No other group's change touches it."""
    control = () if definition.masters.schedulable else (CONTROL_PLANE_TAINT,)
    by_group: dict[str, Any] = {"etcd": {"labels": {}, "taints": []}, "master": {"labels": {}, "taints": list(control)}}
    for pool in definition.workers:
        labels = {"node.kubernetes.io/pool": pool.name, **pool.labels}
        by_group[f"worker-{pool.name}"] = {"labels": labels, "taints": list(pool.taints)}
    return by_group


def roles(definition: Definition, parts: Mapping[str, Container], lock: Lock) -> dict[str, Any]:
    """The containers and images of each role that the cluster has, in start order."""
    names = next(iter(lock.images.values()))
    pods = {name for name in names if "containerd" in runtimes(name)}
    contents = {}
    for role, components in role_components(definition).items():
        chosen = reserving([parts[component] for component in components])
        needed = {part.image for part in chosen} | (pods if "kubelet" in components else set())
        contents[role] = {"containers": [asdict(part) for part in chosen], "images": sorted(needed)}
    return contents


def image_readers(definition: Definition, lock: Lock, topology: Topology) -> dict[str, set[str]]:
    """Image -> the roles whose machines load it: what they run, and on all of them what the network is made of."""
    parts = _parts(definition, lock, topology)
    readers: dict[str, set[str]] = {}
    for role, content in roles(definition, parts, lock).items():
        for name in content["images"]:
            readers.setdefault(name, set()).add(role)
    everyone = set(role_components(definition))
    return {name: readers.get(name, everyone) for name in next(iter(lock.images.values()))}


def _parts(definition: Definition, lock: Lock, topology: Topology) -> Mapping[str, Container]:
    network = replace(definition.network, driver=lock.driver)  # the definition may leave it to the lock
    return containers(topology, network, lock.driver, dns_address(network.services))
