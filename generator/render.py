"""From topology and release to a tree of files that Terraform applies. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from generator import applied, node, node_proxy, release
from generator.definition import ETCD_DISK, SIZES, Definition, Size
from generator.lock import Lock
from generator.topology import Topology, offset, role_components

Tree = Mapping[str, bytes]
BACKEND = "backend.tf.json"


@dataclass(frozen=True, slots=True)
class Target:
    """What only the target knows: `settings` for its Terraform module, `base_images` by architecture, its `backend`.

    `etcd_disk` is the size of an etcd member's data disk, in GiB.
    """

    name: str
    settings: Mapping[str, Any]
    base_images: Mapping[str, str]
    backend: Mapping[str, Any] | None = None
    etcd_disk: int = ETCD_DISK


def tree(
    definition: Definition,
    lock: Lock,
    topology: Topology,
    target: Target,
    secrets: Mapping[str, Mapping[str, Any]],
    restore: release.Restore | None = None,
) -> Tree:
    """The whole rendered folder, {path: bytes}.

    `secrets` is {component: {roles, version}}, never the secrets themselves. `restore` is what becomes of etcd's data.
    """
    archive = node.archive()
    checksum = hashlib.sha256(archive).hexdigest()
    recorded = lock.secrets.targets.get(target.name) if lock.secrets else None
    generation = recorded.generation if recorded else 0
    documents = {
        "release.json": release.document(definition, lock, topology, checksum, secrets, restore, generation),
        f"node/{checksum}.tar": archive,
    }
    files = dict(_module(target.name))
    files["applied.json"] = applied.document(applied.fields(definition, lock, target.name))
    files |= {f"documents/{key}": data for key, data in documents.items()}
    proxy = node_proxy.environment_file(node_proxy.variables(definition))
    for group, role in groups(definition, topology).items():
        files[f"user-data/{group}.yaml"] = node.user_data(target.name, role, group, definition.ssh_keys, proxy)
    values = variables(definition, lock, topology)
    values |= {"settings": target.settings, "base_images": target.base_images, "etcd_disk": target.etcd_disk}
    values["secret_documents"] = secrets
    values["documents"] = {
        key: {"file": f"documents/{key}", "sha256": hashlib.sha256(data).hexdigest()} for key, data in documents.items()
    }
    files["terraform.tfvars.json"] = _json(values)
    if target.backend:
        files[BACKEND] = _json({"terraform": {"backend": target.backend}})
    return files


def groups(definition: Definition, topology: Topology) -> dict[str, str]:
    """Group -> role, for all that boot a user-data of their own: a pool may have no machine yet."""
    fixed = {machine.group: machine.role for machine in topology.fixed}
    return fixed | {f"worker-{pool.name}": "worker" for pool in definition.workers}


def variables(definition: Definition, lock: Lock, topology: Topology) -> dict[str, Any]:
    """Terraform's input variables that are the same for every target."""
    first = topology.having("kube-apiserver")[0].name
    network = definition.network
    return {
        "cluster": definition.name,
        "network": {"machines": str(network.machines), "driver": lock.driver, "encryption": network.encryption},
        "ssh_keys": list(definition.ssh_keys),
        "machines": {
            machine.name: {
                "role": machine.role,
                "group": machine.group,
                "number": machine.number,
                **_shape(machine.size, machine.arch),
                "address": f"{machine.address}/{network.machines.prefixlen}",
                "etcd": "etcd" in machine.components,
                "api": machine.name == first,
            }
            for machine in topology.fixed
        },
        "pools": {
            pool.name: {
                "group": f"worker-{pool.name}",
                "count": pool.count,
                "min": pool.least,
                "max": pool.most,
                "spot": pool.spot,
                **_shape(SIZES[pool.size], pool.arch),
                "offset": offset(definition, pool, lock.blocks),
            }
            for pool in definition.workers
        },
        "archives": archives(definition, lock, topology),
    }


def archives(definition: Definition, lock: Lock, topology: Topology) -> dict[str, Any]:
    """The archives that machines fetch, by key, with the roles that may; as the cache has them."""
    readers = release.image_readers(definition, lock, topology)
    readable = {
        f"images/{images[name].archive}.tar": roles
        for arch in definition.architectures
        for images in (lock.images[arch],)
        for name, roles in readers.items()
    }
    updates = {arch: each.archive for arch, each in release.updates(definition, lock).items()}
    readable |= {
        f"packages/{packages.sha256}.tar": set(role_components(definition))
        for arch, packages in (*lock.packages.items(), *updates.items())
        if arch in definition.architectures
    }
    return {key: {"roles": sorted(readable[key])} for key in sorted(readable)}


def _shape(size: Size, arch: str) -> dict[str, Any]:
    return {"size": size.name, "arch": arch, "cpus": size.cpus, "memory": size.memory, "disk": size.disk}


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=2, sort_keys=True).encode() + b"\n"


def _module(provider: str) -> Iterator[tuple[str, bytes]]:
    """What all targets have in common and the target's own, but for parts of user-data and for overrides."""
    for folder in ("common", provider):
        for entry in resources.files("modules").joinpath(folder).iterdir():
            if entry.is_file() and entry.name not in node.TARGET_PARTS and not entry.name.endswith("_override.tf"):
                yield entry.name, entry.read_bytes()


@cache
def configuration_files() -> frozenset[str]:
    """The names of all files in a tree, of whichever target, that Terraform reads."""
    modules = (folder for folder in resources.files("modules").iterdir() if folder.is_dir())
    shipped = (entry.name for folder in modules for entry in folder.iterdir())
    configuration = (name for name in shipped if name.endswith(".tf") and not name.endswith("_override.tf"))
    return frozenset((*configuration, BACKEND, "terraform.tfvars.json"))


def unprotected(provider: str) -> Tree:
    """The files that let Terraform destroy what a module protects, beside those of `tree`."""
    return _override(provider, "unprotect")


def unasked(provider: str) -> Tree:
    """The files that keep Terraform's provider from asking the target, beside those of `tree`."""
    return _override(provider, "offline")


def _override(provider: str, name: str) -> Tree:
    entry = resources.files("modules").joinpath(provider, f"{name}_override.tf")
    return {entry.name: entry.read_bytes()} if entry.is_file() else {}
