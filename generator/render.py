"""From topology and release to a tree of files that Terraform applies. Pure, but for `write`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from generator import node, release
from generator.definition import Definition
from generator.errors import UserError
from generator.lock import Lock
from generator.topology import Topology

Tree = Mapping[str, bytes]
MANIFEST = ".anywhere-files"


def tree(
    definition: Definition,
    lock: Lock,
    topology: Topology,
    provider: str,
    base_image: str,
    secrets: Mapping[str, Mapping[str, Any]],
) -> Tree:
    """The whole rendered folder, {path: bytes}.

    `base_image` is what new machines start as, in the target's own terms; `secrets` is {component: {roles, version}},
    never the secrets themselves.
    """
    archive = node.archive()
    checksum = hashlib.sha256(archive).hexdigest()
    documents = {
        "release.json": release.document(definition, lock, topology, checksum),
        f"node/{checksum}.tar": archive,
    }
    files = dict(_module(provider))
    files |= {f"documents/{key}": data for key, data in documents.items()}
    for role, group in sorted({(m.role, m.group) for m in topology.machines}):
        files[f"user-data/{group}.yaml"] = node.user_data(provider, role, group)
    values = {"base_image": base_image, **variables(definition, lock, topology, provider)}
    values["documents"] = {
        key: {"file": f"documents/{key}", "sha256": hashlib.sha256(data).hexdigest()} for key, data in documents.items()
    }
    values["secret_documents"] = secrets
    files["terraform.tfvars.json"] = json.dumps(values, indent=2, sort_keys=True).encode() + b"\n"
    return files


def variables(definition: Definition, lock: Lock, topology: Topology, provider: str) -> dict[str, Any]:
    """Terraform's input, alike for every target: the target's own settings are under `settings`."""
    first = topology.having("kube-apiserver")[0].name
    return {
        "cluster": definition.name,
        "network": {"machines": str(definition.network.machines)},
        "ssh_keys": list(definition.ssh_keys),
        "settings": {**definition.providers.get(provider, {}), **lock.facts.get(provider, {})},
        "machines": {
            machine.name: {
                "role": machine.role,
                "group": machine.group,
                "cpus": machine.size.cpus,
                "memory": machine.size.memory,
                "disk": machine.size.disk,
                "address": f"{machine.address}/{definition.network.machines.prefixlen}",
                "etcd": "etcd" in machine.components,
                "api": machine.name == first,
            }
            for machine in topology.machines
        },
    }


def _module(provider: str) -> Iterator[tuple[str, bytes]]:
    for entry in resources.files("modules").joinpath(provider).iterdir():
        if entry.name.endswith(".tf"):
            yield entry.name, entry.read_bytes()


def write(files: Tree, folder: Path) -> None:
    """Make `folder` hold `files`: leaves what it did not write alone, removes what it no longer writes."""
    known = folder / MANIFEST
    try:
        before = set(known.read_text().splitlines()) if known.exists() else set()
        for name, data in sorted(files.items()):
            path = folder / name
            if not path.exists() or path.read_bytes() != data:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
        for name in sorted(before - set(files)):
            (folder / name).unlink(missing_ok=True)
        known.write_text("".join(f"{name}\n" for name in sorted(files)))
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error}.", "Free space or choose another --out.") from error
