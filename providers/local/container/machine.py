"""The kind `container`: machines under systemd-nspawn. Each function does what `kind.Kind` says of it."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from generator.directories import cache
from generator.errors import UserError
from generator.lock import Base, Image
from generator.progress import Progress
from providers.local import ports
from providers.local.container import cgroup, filesystem, image, kernel, lock, network, root
from providers.local.home import ClusterFolder, write_private
from providers.local.record import Record
from providers.local.terraform.resource import STOP
from providers.local.virtual_machine import bring

_STEP = 0.05  # s between looks at a machine that is ending

pid = lock.holder


def prepare(
    base: Base, images: tuple[Image, ...], runtimes: Mapping[str, tuple[str, ...]], archives: Path, progress: Progress
) -> None:
    root.ask()
    if needed := kernel.unprepared():
        for line in needed:
            progress.note(line)
        root.call("prepare-computer", *kernel.modules(kernel.FEATURES))
    image.ensure(base, images, runtimes, archives, progress)


def make(record: Record, folder: Path, files: Mapping[str, str]) -> None:
    base = image.file_of(record.base_image)
    if not base.exists():
        raise UserError(f"There is no base image {base}.", "`anywhere apply` makes it.")
    for name, text in files.items():
        write_private(folder / filesystem.SEED / name, text.encode())
    bring(base, folder / filesystem.IMAGE)


def whole(folder: Path) -> bool:
    return (folder / filesystem.IMAGE).exists()


def grow(record: Record, folder: Path) -> None:
    """A container may have as much of this computer's disk as is free."""


def start(cluster: ClusterFolder, record: Record, folder: Path) -> None:
    ports.check_free(record.name, record.ports)
    for name in record.disks:
        if not has_disk(cluster.disks / name):
            raise UserError(f"Machine {record.name}: there is no disk {name}.", "Apply again to make it.")
    root.call("start", cluster.path, folder, cache() / "images")


def started(folder: Path) -> float:
    try:
        return (folder / lock.FILE).stat().st_mtime
    except OSError:
        return 0.0


def power_off(folder: Path, seconds: float) -> None:
    process = pid(folder)
    if process is None:
        return
    root.call("signal", str(process), str(int(signal.SIGTERM)))
    end = time.monotonic() + seconds
    while pid(folder):
        if time.monotonic() > end or STOP.wait(_STEP):
            _kill(folder)


def _kill(folder: Path) -> None:
    """End it at once: its supervisor takes all of it along."""
    while process := pid(folder):
        root.call("signal", str(process), str(int(signal.SIGKILL)))
        time.sleep(_STEP)


def remove(folder: Path) -> None:
    if not folder.exists():
        return
    _kill(folder)
    if (folder / filesystem.UPPER).exists() or _has_files_of_others(folder):
        root.call("remove", folder)
    else:  # it never ran
        shutil.rmtree(folder)


def _has_files_of_others(folder: Path) -> bool:
    """Whether root has files in a folder of this user's, such as where its removal was interrupted."""
    return any(entry.lstat().st_uid != os.geteuid() for entry in folder.iterdir())


def network_config(cluster: ClusterFolder, machine: str, address: str | None) -> str:
    """The supervisor makes the interfaces with their addresses, before the machine begins."""
    return '{"version": 1, "config": "disabled"}'


def make_disk(path: Path, size: int) -> None:
    path.mkdir(parents=True, exist_ok=True, mode=0o700)


def has_disk(path: Path) -> bool:
    return path.is_dir()


def grow_disk(path: Path, size: int) -> None:
    """A folder has no size."""


def remove_disk(path: Path) -> None:
    if path.exists():
        root.call("remove", path)


def remove_network(cluster: ClusterFolder) -> None:
    if (network.NAMESPACES / network.namespace(cluster)).exists():
        root.call("disconnect", cluster.path)


def leftovers(cluster: ClusterFolder) -> Iterable[str]:
    name = network.namespace(cluster)
    if (network.NAMESPACES / name).exists():
        yield f"network namespace {name}"
    for path in cgroup.ROOT.rglob(f"{name}-*"):
        yield f"control group {path}"
