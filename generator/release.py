"""The release: the one document that every machine converges to. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from ipaddress import IPv4Network
from typing import Any

from generator import addon_catalog, addons, dns_names, node_proxy, supported
from generator.components import Container, as_defined, containers, reserving
from generator.definition import Definition
from generator.lock import Image, Lock, Updates
from generator.own_addon import is_own_image
from generator.topology import CONTROL_PLANE_TAINT, Topology, role_components

SANDBOX = "pause"  # the image that every pod has beside its own
# Packages whose old version goes on running until a machine boots again, as patterns of names.
REBOOTS = ("dbus", "libc6", "libsystemd0", "linux-image-*", "systemd")


@dataclass(frozen=True, slots=True)
class Restore:
    """That etcd is to have the data of a snapshot, once for each `id`; `sha256` is that of its encrypted file."""

    id: str
    snapshot: str
    sha256: str


def document(
    definition: Definition,
    lock: Lock,
    topology: Topology,
    node: str,
    secrets: Mapping[str, Mapping[str, Any]],
    restore: Restore | None = None,
    generation: int = 0,
) -> bytes:
    """The release as JSON; `node` is the SHA-256 of the node archive, `secrets` is {component: {roles, version}}.

    `generation` is that of the secrets: snapshots say which keys they were taken under.
    """
    content = {
        "apiVersion": supported.RELEASE,
        "kind": "Release",
        "cluster": definition.name,
        "kubernetes": lock.kubernetes,
        "node": node,
        "proxy": node_proxy.variables(definition),
        **_registries(definition),
        "measured": addon_catalog.measured(definition.addons),
        "secrets": {component: described["version"] for component, described in secrets.items()},
        "images": {arch: images(by_name, lock) for arch, by_name in lock.images.items()},
        # Here for every target, so that all have the same release.
        "host_loopback": definition.providers.local.host_loopback,
        "packages": {arch: packages.sha256 for arch, packages in lock.packages.items()},
        "updates": debian(definition, lock),
        "network": network(definition, lock, topology),
        "control_plane": control_plane(topology),
        "rollout": asdict(definition.rollout),
        **etcd(definition, lock, topology, restore, generation),
        "groups": groups(definition),
        "roles": roles(definition, _parts(definition, lock, topology), lock),
        "addons": addons.manifests(definition, lock, dns_address(definition.network.services)),
        "own_addons": addons.own(definition, lock),
        "dns": dns_question(definition),
    }
    return json.dumps(content, indent=1, sort_keys=True).encode() + b"\n"


def _registries(definition: Definition) -> dict[str, Any]:
    """Where machines pull images from."""
    registry = definition.registry
    return {
        "registry": registry.mirror if registry else None,
        "registry_ca": registry.ca if registry else "",
        "registries": addon_catalog.registries(definition.addons, definition.network.services),
    }


def updates(definition: Definition, lock: Lock) -> Mapping[str, Updates]:
    """What machines update themselves from, by architecture; nothing where the definition leaves them as they are."""
    return {} if definition.os.updates == "none" else lock.updates


def debian(definition: Definition, lock: Lock) -> dict[str, Any]:
    """What machines have of Debian once they are updated: an archive, and the versions in it, by architecture."""
    archives = {
        arch: {
            "archive": found.archive.sha256,
            "packages": {name: package.version for name, package in found.packages.items()},
        }
        for arch, found in updates(definition, lock).items()
    }
    return {"kernel": definition.os.kernel, "reboots": list(REBOOTS), "archives": archives}


def network(definition: Definition, lock: Lock, topology: Topology) -> dict[str, Any]:
    """What machines make their network of."""
    ranges = definition.network
    return {
        "driver": lock.driver,
        "encryption": ranges.encryption,
        "machines": str(ranges.machines),
        "pods": str(ranges.pods),
        "services": str(ranges.services),
        "founders": list(topology.founders.values()),
        "seeds": [topology.founders[name] for name in _etcd_founders(topology)],
        "names": names(topology),
    }


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
    of_pods = image == SANDBOX or image in addon_catalog.images() or is_own_image(image)
    return ("containerd",) if of_pods else ("docker",)


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
    for machine in topology.having("etcd"):
        addresses[dns_names.etcd(machine.member)] = [machine.address]
    return addresses


def control_plane(topology: Topology) -> dict[str, dict[str, str]]:
    """The etcd machines and masters by name, as they are to be."""
    return {machine.name: {"role": machine.role, "address": machine.address} for machine in topology.fixed}


def etcd(
    definition: Definition, lock: Lock, topology: Topology, restore: Restore | None, generation: int
) -> dict[str, Any]:
    """The members that etcd is to have, when their data is kept, and what becomes of it."""
    store = lock.secrets.store if lock.secrets else ""
    return {
        "etcd": members(topology),
        "snapshots": {**asdict(definition.etcd.snapshots), "store": store, "generation": generation},
        "restore": asdict(restore) if restore else None,
    }


def members(topology: Topology) -> dict[str, list[str]]:
    """The members that etcd is to have, and those that found it."""
    return {
        "members": [machine.member for machine in topology.having("etcd")],
        "initial": [f"etcd{name.removeprefix(_etcd_role(topology))}" for name in _etcd_founders(topology)],
    }


def _etcd_founders(topology: Topology) -> list[str]:
    """The machines that found etcd, and share the network's addresses among themselves."""
    return [name for name in topology.founders if name.startswith(_etcd_role(topology))]


def _etcd_role(topology: Topology) -> str:
    return topology.having("etcd")[0].role


def groups(definition: Definition) -> dict[str, Any]:
    """What a machine's node is like, by group. No other group's change touches it."""
    masters = definition.masters
    control = () if masters.schedulable else (CONTROL_PLANE_TAINT,)
    by_group = {"etcd": _group({}, (), 0), "master": _group({}, control, masters.max_pods)}
    for pool in definition.workers:
        labels = {"node.kubernetes.io/pool": pool.name, **pool.labels}
        by_group[f"worker-{pool.name}"] = _group(labels, pool.taints, pool.max_pods)
    return by_group


def _group(labels: Mapping[str, str], taints: Sequence[str], max_pods: int) -> dict[str, Any]:
    return {"labels": dict(labels), "taints": list(taints), "max_pods": max_pods}


def roles(definition: Definition, parts: Mapping[str, Container], lock: Lock) -> dict[str, Any]:
    """The containers and images of each role that the cluster has, in start order."""
    names = next(iter(lock.images.values()))
    pods = {name for name in names if "containerd" in runtimes(name)}
    contents = {}
    for role, components in role_components(definition).items():
        chosen = reserving([parts[component] for component in components])
        needed = {part.image for part in chosen} | ({"containerd", *pods} if "kubelet" in components else set())
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
    made = containers(topology, network, lock.driver, dns_address(network.services))
    return as_defined(made, definition)
