"""The kinds of local machines: virtual machines under QEMU, and system containers under systemd-nspawn."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol, cast

from generator.lock import Base, Image
from generator.progress import Progress
from providers.local import record as records
from providers.local.home import ClusterFolder
from providers.local.record import Record
from providers.local.terraform.resource import is_known
from providers.local.terraform.schema import Attribute, InvalidAttribute, State

KINDS: Mapping[str, str] = {
    "vm": "providers.local.virtual_machine",
    "container": "providers.local.container.machine",
}
CHOICES = (*KINDS, "auto")


# The attributes by which a resource says and chooses its kind.
SCHEMA = {
    "machines": Attribute("string", "vm, container or auto.", optional=True, computed=True, default="vm"),
    "kind": Attribute("string", "vm or container: what it is.", computed=True, replace=True),
}


class Kind(Protocol):
    """What differs between the kinds. `folder` is a machine's own; every call may raise UserError."""

    def prepare(
        self,
        base: Base,
        images: tuple[Image, ...],
        runtimes: Mapping[str, tuple[str, ...]],
        archives: Path,
        progress: Progress,
    ) -> None:
        """Have the base image with container images loaded in the cache; see `bake.ensure`. Idempotent."""

    def make(self, record: Record, folder: Path, files: Mapping[str, str]) -> None:
        """Fill a new machine's folder; `files` is what cloud-init reads, by name."""

    def whole(self, folder: Path) -> bool:
        """Whether the machine still has the file system that it was made with."""

    def grow(self, record: Record, folder: Path) -> None:
        """Give a machine that is off the disk that `record` says."""

    def start(self, cluster: ClusterFolder, record: Record, folder: Path) -> None:
        """Power it on, and return once it runs."""

    def power_off(self, folder: Path, seconds: float) -> None:
        """Turn it off as by its power button; after `seconds`, or when Terraform is told to stop, by force."""

    def pid(self, folder: Path) -> int | None:
        """The process that is the machine; None where it is off."""

    def started(self, folder: Path) -> float:
        """When it was last started, in seconds since 1970; 0 where it never was."""

    def remove(self, folder: Path) -> None:
        """Leave no process and no file of it."""

    def network_config(self, cluster: ClusterFolder, machine: str, address: str | None) -> str:
        """What cloud-init is told of the interfaces; `address` is in CIDR form, None without a cluster's network."""

    def make_disk(self, path: Path, size: int) -> None:
        """Make an empty disk of `size` GiB at `path`, unless it is there."""

    def has_disk(self, path: Path) -> bool:
        """Whether the disk at `path` is there."""

    def grow_disk(self, path: Path, size: int) -> None:
        """Let a disk that no running machine has be `size` GiB."""

    def remove_disk(self, path: Path) -> None:
        """Remove a disk; one that is gone is no error."""

    def remove_network(self, cluster: ClusterFolder) -> None:
        """Remove what carries the cluster's network, once no machine is left."""

    def leftovers(self, cluster: ClusterFolder) -> Iterable[str]:
        """What is still on this computer outside of the cluster's folder, a line each."""


def load(name: str) -> Kind:
    """The kind called `name` (vm or container)."""
    return cast(Kind, importlib.import_module(KINDS[name]))


def choose(wish: str, cluster: ClusterFolder) -> str:
    """The kind of a cluster's new machines.

    Where the wish is auto it is that of the machines that are there, since those of two kinds do not share a network;
    else containers where no guest kernel runs and containers can be made.
    """
    if wish != "auto":
        return wish
    there = (record for folder in cluster.machines.glob("*") if (record := records.read(folder)))
    if record := next(there, None):
        return record.kind
    from providers.local import accelerator
    from providers.local.container import fit

    if accelerator.choose() == "kvm":
        return "vm"
    return "vm" if fit.obstacles() else "container"


def validate(config: State) -> None:
    """InvalidAttribute where a resource asks for a kind that there is not."""
    if is_known(config["machines"]) and config["machines"] not in CHOICES:
        message = f"{config['machines']!r} is not a kind of machine."
        raise InvalidAttribute(message, f"Use {', '.join(CHOICES[:-1])} or {CHOICES[-1]}.", "machines")


def plan(prior: State | None, planned: State, cluster: ClusterFolder) -> State:
    """`planned` with its kind: what there is keeps its own, unless the definition asks for the other one by name."""
    wish = planned["machines"]
    if not is_known(wish):
        return planned
    if wish == "auto" and prior is not None:
        return {**planned, "kind": prior["kind"]}
    return {**planned, "kind": choose(wish, cluster)}


def read(state: State) -> State:
    """`state` with its kind: resources of earlier versions are virtual machines and do not say so."""
    return {**state, "kind": state["kind"] or "vm", "machines": state["machines"] or "vm"}
