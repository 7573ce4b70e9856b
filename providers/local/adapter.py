"""What the CLI asks of local machines: checks of this host, the base image, what runs and what is left over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from generator import directories
from generator import lock as locks
from generator.definition import ETCD_DISK, LOCAL_OUTSIDE, Definition
from generator.errors import UserError
from generator.lock import Base, Image, Lock
from generator.own_addon import is_own_image
from generator.progress import Progress
from generator.release import runtimes
from generator.site import Entry, Site
from generator.topology import Topology
from providers import Addresses, Check, Observed, Stored
from providers.local import host, kind, mirror, process
from providers.local import record as records
from providers.local.home import ClusterFolder, cluster_folder

USER = "debian"
ARCH = "amd64"
# What machines of each kind are called in words, also where the kind is not chosen yet.
WORDS = {"vm": "virtual machines", "container": "containers", "auto": "machines"}


def _baked(lock: Lock) -> tuple[Image, ...]:
    """The images that a base image holds: machines fetch those of own add-ons, which change more often."""
    return tuple(image for image in lock.images[ARCH].values() if not is_own_image(image.name))


def _base(lock: Lock) -> Base:
    if lock.base is None:
        raise UserError("The lock names no base image for local machines.", "Run `anywhere images lock`.")
    return lock.base


def _kind(definition: Definition) -> str:
    """The kind that new machines have."""
    return kind.choose(definition.providers.local.machines, cluster_folder(definition.name))


def _network(definition: Definition) -> Iterator[Check]:
    """Whether the network driver that is decided upon comes up in containers."""
    from providers.local.container import fit

    path = locks.path_beside(definition.path)
    driver = definition.network.driver or (locks.read(path).driver if path.exists() else "")
    if reason := fit.unfit_drivers().get(driver):
        hint = "Use machines: vm, or another driver in a definition of its own: a cluster keeps its driver."
        yield Check("network driver", False, f"{driver} does not run: {reason}", hint, needed=True)


class Local:
    """The adapter of the target `local`."""

    name = "local"
    identity: tuple[str, ...] = ()
    installs_packages = False
    manages_workers = False
    etcd_disk = ETCD_DISK
    addresses = Addresses(
        machine="anywhere_machine.machine",
        etcd_disk="anywhere_disk.etcd",
        document="anywhere_document.release",
        secret="anywhere_document.secret",
    )
    poll = 1.0
    api_remedy = (
        "Connections to it are taken by the first master: `anywhere ssh master1 -- systemctl status anywhere-front` and"
        " `anywhere logs master1` say whether it does."
    )

    def preflight(self, definition: Definition, topology: Topology) -> tuple[Check, ...]:
        there = {machine.name for machine in self.observe(definition)}
        new = tuple(machine for machine in topology.machines if machine.name not in there)
        if _kind(definition) == "vm":
            running = process.running(cluster_folder(definition.name).machines)
            return (*host.virtual(running, first=not there), *host.checks(new))
        from providers.local.container import fit

        return (*fit.checks(definition.providers.local.egress), *_network(definition), *host.checks(new))

    def unfit_drivers(self, definition: Definition) -> Mapping[str, str]:
        if _kind(definition) == "vm":
            return {}
        from providers.local.container import fit

        return fit.unfit_drivers()

    def facts(self, definition: Definition) -> Mapping[str, Any]:
        return {}

    def foreseen_facts(self, definition: Definition) -> Mapping[str, Any]:
        return {}

    def base(self, progress: Progress) -> Base | None:
        from providers.local import base

        return base.ensure(progress)

    def base_images(self, lock: Lock) -> Mapping[str, str]:
        """The key of the base image with the lock's container images loaded."""
        from providers.local import bake

        return {ARCH: bake.key(_base(lock), _baked(lock))}

    def settings(self, definition: Definition, lock: Lock) -> Mapping[str, Any]:
        if other := [arch for arch in definition.architectures if arch != ARCH]:
            raise UserError(
                f"Cluster {definition.name} has machines of {', '.join(other)}; local machines are {ARCH}.",
                f"Write arch: {ARCH} for every pool, or choose another --provider.",
            )
        if overlapping := definition.network.overlapping(LOCAL_OUTSIDE):
            raise UserError(
                f"spec.network.{overlapping[0]} overlaps with {LOCAL_OUTSIDE}, the range of QEMU's user network, which"
                " local machines use.",
                "Choose another range, or another --provider.",
            )
        return asdict(definition.providers.local)

    def subnets(self, lock: Lock) -> tuple[IPv4Network, ...]:
        return ()

    def site(self, definition: Definition, lock: Lock | None) -> Site:
        words = WORDS[definition.providers.local.machines]
        way = Entry("Port on 127.0.0.1", "the first master leads to a ready API server", balanced=True)
        return Site(f"{words} on this computer", way)

    def backend(self, definition: Definition) -> Mapping[str, Any] | None:
        return None

    def has_state(self, definition: Definition) -> bool:
        return False

    def create_backend(self, definition: Definition) -> str:
        raise UserError(
            "Local machines keep their state beside them, in the rendered folder.",
            "A backend is for --provider aws or gce.",
        )

    def prepare(
        self, definition: Definition, topology: Topology, lock: Lock, archives: Path, progress: Progress
    ) -> None:
        """Have the base image that the lock names, with its container images loaded, in the cache.

        The archives are taken from the image cache, where they bear their digests, wherever they came from.
        """
        images = _baked(lock)
        held = {image.name: runtimes(image.name) for image in images}
        kind.load(_kind(definition)).prepare(_base(lock), images, held, directories.cache() / "images", progress)

    def environment(self) -> Mapping[str, str]:
        """Terraform finds the provider by its mirror; the variable saves it a look at the link."""
        mirror.install()
        return {"ANYWHERE_TERRAFORM_PROVIDER": str(mirror.program())}

    def observe(self, definition: Definition) -> tuple[Observed, ...]:
        folders = sorted(path for path in cluster_folder(definition.name).machines.glob("*") if path.is_dir())
        return tuple(observed for folder in folders if (observed := _observed(folder)))

    def present(self, definition: Definition) -> tuple[str, ...]:
        cluster = cluster_folder(definition.name)
        made = (folder for folder in sorted(cluster.machines.glob("*")) if records.read(folder))
        disks = (path.stem for path in sorted(cluster.disks.glob("*.json")))
        return (*(f"machine {folder.name}" for folder in made), *(f"disk {name}" for name in disks))

    def stored(self, definition: Definition, lock: Lock) -> Stored:
        from providers.local import stored

        return stored.Stored(cluster_folder(definition.name))

    def delete_created_by_cluster(self, definition: Definition, progress: Progress) -> None:
        """A cluster of local machines has nothing made outside of them, but removing containers needs root."""
        records_there = (records.read(folder) for folder in cluster_folder(definition.name).machines.glob("*"))
        if any(record and record.kind == "container" for record in records_there):
            from providers.local.container import root

            root.ask()

    def leftovers(self, definition: Definition) -> tuple[str, ...]:
        return tuple(_left(cluster_folder(definition.name)))


def _observed(folder: Path) -> Observed | None:
    record = records.read(folder)
    if record is None:
        return None
    console, own = folder / records.CONSOLE, kind.load(record.kind)
    return Observed(
        name=record.name,
        running=own.pid(folder) is not None,
        address=record.address.partition("/")[0],
        console=console.read_text(errors="replace") if console.exists() else "",
        ssh=ssh_command(folder, record.ports["ssh"]),
        started=own.started(folder),
    )


def ssh_command(folder: Path, port: int) -> tuple[str, ...]:
    """ssh to the machine in `folder`. Its host key is kept there, and goes with it."""
    known = ("-o", f"UserKnownHostsFile={folder / 'known_hosts'}", "-o", "StrictHostKeyChecking=accept-new")
    return ("ssh", "-p", str(port), *known, f"{USER}@127.0.0.1")


def _left(cluster: ClusterFolder) -> Iterator[str]:
    for folder in sorted(cluster.machines.glob("*")):
        record = records.read(folder)
        if record and (pid := kind.load(record.kind).pid(folder)):
            yield f"process {pid}: machine {folder.name} runs"
        yield f"folder {folder}: machine {folder.name}"
    for folder in (cluster.disks, cluster.networks, cluster.documents, cluster.readers, cluster.stored):
        yield from (f"file {path}" for path in sorted(folder.rglob("*")) if path.is_file())
    for name in kind.KINDS:
        yield from kind.load(name).leftovers(cluster)
