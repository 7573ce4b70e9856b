"""Golden trees: what each example renders to, committed. `python -m tests.golden` writes them anew.

Checksums that change with every edit of the agent are given names instead, and the node archive is its list of
members. Terraform files are copies of `modules/<provider>/`, which the test compares them with, so they are left out.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from dataclasses import asdict
from pathlib import Path

import providers
from generator import lock as locks
from generator import node, pki, render, schema, topology
from generator.definition import Definition
from generator.lock import Lock
from generator.topology import Topology

HERE = Path(__file__).parent
EXAMPLES = HERE.parent.parent / "examples"
# Beside the local trees of CASES, those of the other targets that an example names: case, target.
ELSEWHERE = {"star-wars-aws": ("star-wars", "aws"), "star-wars-gce": ("star-wars", "gce")}
CASES = {"quickstart": "quickstart", "quickstart-flannel": "quickstart", "star-wars": "star-wars", "ha": "ha"}
BASE_IMAGE = "b" * 64
COMPONENTS = (
    *("addons", "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet"),
    *("snapshots", "weave"),
)


def load(case: str) -> tuple[Definition, Lock, Topology]:
    """The example of a case, with the lock fixture beside this file."""
    definition = schema.load(EXAMPLES / CASES[case] / "cluster.yaml")
    lock = locks.read(HERE / f"{case}.lock.yaml")
    return definition, lock, topology.lay_out(definition, lock.blocks, began_with=lock.founders["local"])


def secrets(machines: Topology) -> dict[str, dict[str, object]]:
    """What is said of the secrets documents, with versions that never change."""
    readers = pki.readers(machines)
    return {name: {"roles": list(readers[name]), "version": "0123456789ab"} for name in COMPONENTS}


def target(definition: Definition) -> render.Target:
    return render.Target("local", asdict(definition.providers.local), {"amd64": BASE_IMAGE})


def tree(case: str) -> render.Tree:
    if case in ELSEWHERE:
        return _elsewhere(*ELSEWHERE[case])
    definition, lock, machines = load(case)
    return render.tree(definition, lock, machines, target(definition), secrets(machines))


def _elsewhere(case: str, target: str) -> render.Tree:
    """The example on a cloud, with what the lock fixture has of it."""
    definition, lock, _ = load(case)
    provider = providers.load(target)
    machines = topology.lay_out(definition, lock.blocks, provider.subnets(lock), lock.founders.get(target, ()))
    settings, images = provider.settings(definition, lock), provider.base_images(lock)
    rendered = render.Target(target, settings, images, etcd_disk=provider.etcd_disk)
    return render.tree(definition, lock, machines, rendered, secrets(machines))


def normalised(files: render.Tree) -> dict[str, str]:
    """The tree as text that stays the same while only the agent's code changes."""
    names = {
        hashlib.sha256(node.archive()).hexdigest(): "NODE-SHA256",
        hashlib.sha256(files["documents/release.json"]).hexdigest(): "RELEASE-SHA256",
    }
    found = {}
    for name, data in files.items():
        if name.endswith(".tf"):
            continue
        text = _members(data) if name.endswith(".tar") else data.decode()
        for checksum, word in names.items():
            name, text = name.replace(checksum, word), text.replace(checksum, word)
        found[name.replace(".tar", ".members")] = text
    return found


def committed(case: str) -> dict[str, str]:
    folder = HERE / case
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def update() -> None:
    """Write every golden tree; files that are no longer rendered go."""
    for case in (*CASES, *ELSEWHERE):
        wanted = normalised(tree(case))
        for name in committed(case).keys() - wanted.keys():
            (HERE / case / name).unlink()
        for name, text in wanted.items():
            path = HERE / case / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def _members(archive: bytes) -> str:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return "".join(f"{member.name}\n" for member in tar)
