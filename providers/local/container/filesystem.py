"""The file system of a machine: its own layer over the base image, and what is bound into it."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from generator.command import find, run
from generator.errors import UserError
from providers.local.container import linux

IMAGE = "base.raw"  # in the machine's folder: its base image, one ext4 file system
UPPER = "upper"  # what the machine has written, but for its stores and disks
ROOT = "root"  # where all of it is mounted, for the machine alone
SEED = "seed"  # the files that cloud-init reads
# Docker and containerd make layers of their own, which the kernel does not take on top of a layer.
STORES = ("var/lib/docker", "var/lib/containerd")
ETCD = "/var/lib/etcd"  # where a machine has the disk that outlives it
CLOUD_INIT = "/var/lib/cloud/seed/nocloud"
NETWORKD = "/run/systemd/network/outside.network"
INIT = Path(__file__).with_name("init")
INIT_INSIDE = "/run/anywhere-init"
LOOPS = Path("/sys/block")
PROCESSES = Path("/proc")
_UNMOUNT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Tree:
    """The folder of a machine. What it writes goes to `upper` and `stores`; both belong to root."""

    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / ROOT

    @property
    def base(self) -> Path:
        return self.folder / "base"

    @property
    def upper(self) -> Path:
        return self.folder / UPPER

    @property
    def stores(self) -> Path:
        return self.folder / "stores"

    def mount(self) -> None:
        """Mount the machine's root. The mounts of this process must be its own."""
        for path in (self.root, self.base, self.upper, self.folder / "work"):
            path.mkdir(exist_ok=True, mode=0o755)
        mount_image(self.folder / IMAGE, self.base, "ro,noload")
        self._fill_stores()
        layers = f"lowerdir={_escaped(self.base)},upperdir={_escaped(self.upper)},workdir={_escaped(self.folder)}/work"
        linux.mount("overlay", self.root, "overlay", 0, layers)

    def unmount(self) -> None:
        """Let go of the base image's loop device now: of a namespace that ends, the kernel does so only in its time."""
        for path in (self.root, self.base):
            with contextlib.suppress(OSError):
                linux.unmount(path)

    def binds(self, disks: Sequence[Path], outside: str) -> Iterator[str]:
        """What else the machine sees, as options of systemd-nspawn, which follows no link of the machine to elsewhere.

        `disks` are folders that outlive the machine; `outside` is what systemd-networkd is told of the interface
        `outside`.
        """
        (network := self.folder / "outside.network").write_text(outside)
        for store in STORES:
            yield bind("--bind", self.stores / store, f"/{store}")
        for disk in disks:
            yield bind("--bind", disk, ETCD)
        for source, target in ((self.folder / SEED, CLOUD_INIT), (network, NETWORKD), (INIT, INIT_INSIDE)):
            yield bind("--bind-ro", source, target)

    def _fill_stores(self) -> None:
        """Copy what the base image has of each store, once; a copy that was cut short is made again."""
        if self.stores.exists():
            return
        unfinished = self.folder / "stores.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        for store in STORES:
            target = unfinished / store
            target.mkdir(parents=True)
            if (self.base / store).is_dir():
                words = ("--archive", "--reflink=auto", f"{self.base / store}/.", target)
                run([find("cp"), *words], "Copying the container images of the base image")
        unfinished.rename(self.stores)


def bind(option: str, source: Path, target: str) -> str:
    r"""An option of systemd-nspawn, for which a colon in a path is written \:."""
    return f"{option}={str(source).replace(':', chr(92) + ':')}:{target}"


def mount_image(image: Path, target: Path, options: str) -> None:
    """Mount an ext4 file system that is in a file. Machines that share a file share what the kernel caches of it."""
    run(
        [find("mount"), "--types", "ext4", "--options", f"loop,{options}", image, target],
        f"Mounting {image}",
        "Are there loop devices (/dev/loop-control)?",
    )


def remove(folder: Path) -> None:
    """Remove a folder in which root has files; one that is gone is no error."""
    _wait_unmounted(folder)
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"{error.filename or folder} cannot be removed: {error.strerror}.") from None


def _wait_unmounted(folder: Path) -> None:
    """The kernel lets go of the mounts of a namespace a moment after the last process in it has ended.

    A loop device that other machines have mounted too stays: the one that was made first is shared by all with the same
    image.
    """
    end = time.monotonic() + _UNMOUNT_SECONDS
    while any(not _is_mounted(loop) for loop in _loops(folder)) and time.monotonic() < end:
        time.sleep(0.02)


def _loops(folder: Path) -> list[Path]:
    """The loop devices of files in `folder`."""
    return [loop for loop in LOOPS.glob("loop*") if _backing(loop).startswith(f"{folder}/")]


def _is_mounted(loop: Path) -> bool:
    """Whether a process that runs, whatever its namespace, has a loop device mounted."""
    device = f" {(loop / 'dev').read_text().strip()} "
    return any(device in _mounts(process) for process in PROCESSES.glob("[0-9]*/mountinfo"))


def _mounts(mountinfo: Path) -> str:
    try:
        return mountinfo.read_text(errors="replace")
    except OSError:  # the process has ended
        return ""


def _backing(loop: Path) -> str:
    """The file behind a loop device; "" where it has none."""
    try:
        return (loop / "loop" / "backing_file").read_text().strip()
    except OSError:
        return ""


def _escaped(path: Path) -> str:
    r"""A path as overlayfs takes it: a colon or a comma in it would begin something else."""
    return str(path).replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")
