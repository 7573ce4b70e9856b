"""What the CLI asks of local machines: checks of this host, the base image, what runs and what is left over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from generator import places
from generator.definition import Definition
from generator.errors import UserError
from generator.lock import Base, Lock
from generator.progress import Progress
from generator.topology import Topology
from providers import Check, Observed
from providers.local import host, mirror, process, qemu
from providers.local.home import ClusterFolder, cluster_folder
from providers.local.machine import record_of

USER = "debian"
ARCH = "amd64"


def _base(lock: Lock) -> Base:
    if lock.base is None:
        raise UserError("The lock names no base image for local machines.", "Run: anywhere images lock")
    return lock.base


class Local:
    """The adapter of the target `local`."""

    name = "local"
    stock = False
    poll = 1.0

    def preflight(self, definition: Definition, topology: Topology) -> tuple[Check, ...]:
        there = {machine.name for machine in self.observe(definition)}
        return host.checks(tuple(machine for machine in topology.machines if machine.name not in there))

    def facts(self, definition: Definition) -> Mapping[str, Any]:
        return {}

    def base(self, progress: Progress) -> Base | None:
        from providers.local import base

        return base.ensure(progress)

    def base_images(self, lock: Lock) -> Mapping[str, str]:
        """The key of the base image with the lock's container images loaded."""
        from providers.local import bake

        return {ARCH: bake.key(_base(lock), lock.images[ARCH].values())}

    def settings(self, definition: Definition, lock: Lock) -> Mapping[str, Any]:
        if other := [arch for arch in definition.architectures if arch != ARCH]:
            raise UserError(
                f"Cluster {definition.name} has machines of {', '.join(other)}; local machines are {ARCH}.",
                f"Write arch: {ARCH} for every pool, or choose another --provider.",
            )
        return definition.providers["local"]

    def subnets(self, lock: Lock) -> tuple[IPv4Network, ...]:
        return ()

    def backend(self, definition: Definition) -> Mapping[str, Any] | None:
        return None

    def create_backend(self, definition: Definition) -> str:
        raise UserError(
            "Local machines keep their state beside them, in the rendered folder.",
            "A backend is for --provider aws or gce.",
        )

    def prepare(self, topology: Topology, lock: Lock, archives: Path, progress: Progress) -> None:
        """Have the base image that the lock names, with its container images loaded, in the cache.

        The archives are taken from the image cache, where they bear their digests, wherever they came from.
        """
        from generator.release import runtimes
        from providers.local import bake, base, cache

        wanted = _base(lock)
        if cache.holds(self.base_images(lock)[ARCH]):
            return
        if not cache.holds(wanted.sha256):
            made = base.ensure(progress)
            if made.sha256 != wanted.sha256:
                message = f"The base image made here is {made.sha256[:12]}; the lock names {wanted.sha256[:12]}."
                raise UserError(message, "Bring that image into the cache, or lock this one: anywhere images lock")
        bake.ensure(
            wanted,
            tuple(lock.images[ARCH].values()),
            {name: runtimes(name) for name in lock.images[ARCH]},
            places.cache() / "images",
            progress,
        )

    def environment(self) -> Mapping[str, str]:
        """Terraform finds the provider by its mirror; the variable saves it a look at the link."""
        mirror.install()
        return {"ANYWHERE_TERRAFORM_PROVIDER": str(mirror.program())}

    def observe(self, definition: Definition) -> tuple[Observed, ...]:
        folders = sorted(path for path in cluster_folder(definition.name).machines.glob("*") if path.is_dir())
        return tuple(observed for folder in folders if (observed := _observed(folder)))

    def release(self, definition: Definition, progress: Progress) -> None:
        """A cluster of local machines has nothing made outside of them."""

    def leftovers(self, definition: Definition) -> tuple[str, ...]:
        return tuple(_left(cluster_folder(definition.name)))


def _observed(folder: Path) -> Observed | None:
    record = record_of(folder)
    if record is None:
        return None
    console = folder / qemu.CONSOLE
    return Observed(
        name=record.name,
        running=process.find(folder) is not None,
        address=record.address.partition("/")[0],
        console=console.read_text(errors="replace") if console.exists() else "",
        ssh=ssh_command(folder, record.ports["ssh"]),
        started=process.started(folder),
    )


def ssh_command(folder: Path, port: int) -> tuple[str, ...]:
    """ssh to the machine in `folder`. Its host key is kept there, and goes with it."""
    known = ("-o", f"UserKnownHostsFile={folder / 'known_hosts'}", "-o", "StrictHostKeyChecking=accept-new")
    return ("ssh", "-p", str(port), *known, f"{USER}@127.0.0.1")


def _left(cluster: ClusterFolder) -> Iterator[str]:
    for folder in sorted(cluster.machines.glob("*")):
        if pid := process.find(folder):
            yield f"process {pid}: machine {folder.name} runs"
        yield f"folder {folder}: machine {folder.name}"
    for folder in (cluster.disks, cluster.networks, cluster.documents, cluster.readers):
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                yield f"file {path}"
