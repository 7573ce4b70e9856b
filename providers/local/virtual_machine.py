"""The kind `vm`: machines under QEMU. Each function does what `kind.Kind` says of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from generator.directories import cache
from generator.errors import UserError
from generator.lock import Base, Image
from generator.progress import Progress
from providers.local import cache as machine_images
from providers.local import process, qcow2, qemu, seed
from providers.local.home import ClusterFolder, write_private
from providers.local.record import Record, mac
from providers.local.terraform.schema import InvalidAttribute

ROOT = "disk.qcow2"
BASE = "base.qcow2"

start = qemu.start
power_off = qemu.power_off
pid = process.find
started = process.started


def prepare(
    base: Base, images: tuple[Image, ...], runtimes: Mapping[str, tuple[str, ...]], archives: Path, progress: Progress
) -> None:
    from providers.local import bake
    from providers.local import base as bases

    if not machine_images.holds(bake.key(base, images)):
        bases.have(base, progress)
        bake.ensure(base, images, runtimes, archives, progress)


def make(record: Record, folder: Path, files: Mapping[str, str]) -> None:
    write_private(folder / "seed.iso", seed.image(files))
    base = cache() / "base" / f"{record.base_image}.qcow2"
    if not base.exists():
        raise UserError(f"There is no base image {base}.", "`anywhere apply` makes it.")
    if (least := qcow2.size_of(base)) > record.disk:
        message = f"Machine {record.name}: its disk of {record.disk} GiB is smaller than its base image."
        raise InvalidAttribute(message, f"Give it {least} GiB or more.", "disk")
    bring(base, folder / BASE)
    for kind in ("vmlinuz", "initrd"):
        if base.with_suffix(f".{kind}").exists():
            bring(base.with_suffix(f".{kind}"), folder / kind)
    qcow2.create_layer(folder / ROOT, BASE, record.disk)


def bring(source: Path, target: Path) -> None:
    """Have `source` as `target` too: the cache may lose it while the machine lives."""
    try:
        target.hardlink_to(source)
    except OSError:  # another file system
        target.symlink_to(source)


def whole(folder: Path) -> bool:
    return (folder / ROOT).exists()


def grow(record: Record, folder: Path) -> None:
    qcow2.grow(folder / ROOT, record.disk)


def remove(folder: Path) -> None:
    if folder.exists():
        process.kill(folder)
        shutil.rmtree(folder)


def network_config(cluster: ClusterFolder, machine: str, address: str | None) -> str:
    inside = mac(cluster, machine, "cluster") if address is not None else None
    return seed.network_config(mac(cluster, machine, "outside"), inside, address or "")


def make_disk(path: Path, size: int) -> None:
    file = qemu.disk_file(path)
    if not file.exists():
        qcow2.create(file, size)


def has_disk(path: Path) -> bool:
    return qemu.disk_file(path).exists()


def grow_disk(path: Path, size: int) -> None:
    qcow2.grow(qemu.disk_file(path), size)


def remove_disk(path: Path) -> None:
    for suffix in (".qcow2", ".new"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def remove_network(cluster: ClusterFolder) -> None:
    """Nothing carries it but the machines themselves."""


def leftovers(cluster: ClusterFolder) -> Iterable[str]:
    return ()
