"""The base image from Debian's official cloud image, where mmdebstrap is absent: a guest installs the packages."""

from __future__ import annotations

import os
import struct
import tarfile
import uuid
from pathlib import Path

from generator import download as fetch
from generator.command import find, run
from generator.errors import UserError
from generator.progress import Progress
from providers.local import accelerator, recipe
from providers.local.guest import Bootable, Drive, Guest, GuestFailed
from providers.local.guest import run as run_guest

SITE = "https://cloud.debian.org/images/cloud/trixie/latest"
IMAGE = "debian-13-generic-amd64.qcow2"
LINUX_ROOT_X86_64 = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"  # a partition type of the discoverable partitions spec
HINT = "Install mmdebstrap to build from the Debian archive, or name a mirror in ANYWHERE_CLOUD_IMAGES."
SECTOR = 512
CHUNK = 1 << 20
SECONDS = 1800  # of which downloads may take most
DONE = "provision: done"


def build(work: Path, progress: Progress) -> Bootable:
    """Make the image in the folder `work`."""
    made = Bootable(work / "base.qcow2", work / "vmlinuz", work / "initrd")
    cloud, raw, root = work / IMAGE, work / "cloud.raw", work / "root.raw"
    qemu_img = find("qemu-img")
    download(os.environ.get("ANYWHERE_CLOUD_IMAGES", SITE).rstrip("/"), cloud, progress)
    run([qemu_img, "convert", "-O", "raw", cloud, raw], "Reading the cloud image")
    cloud.unlink()
    extract(raw, root, *root_partition(raw))
    raw.unlink()
    check(root)
    run([find("resize2fs"), root, recipe.SIZE], "Growing the cloud image's file system")
    provision(root, work, progress)
    check(root)
    for name, path in (("vmlinuz", made.kernel), ("initrd", made.initrd)):
        dump(root, f"/boot/{name}", path)
    run([qemu_img, "convert", "-f", "raw", "-O", "qcow2", root, made.disk], "Writing the qcow2 image")
    root.unlink()
    return made


def download(site: str, target: Path, progress: Progress) -> None:
    """Fetch `target.name` from `site`; UserError where it is not what SHA512SUMS there says."""
    sums = fetch.text(f"{site}/SHA512SUMS", HINT)
    wanted = next((line.split()[0] for line in sums.splitlines() if line.split()[1:] == [target.name]), None)
    if wanted is None:
        raise UserError(f"{site}/SHA512SUMS does not list {target.name}.", "Is ANYWHERE_CLOUD_IMAGES right?")
    fetch.file(f"{site}/{target.name}", target, wanted, HINT, progress, algorithm="sha512")


def root_partition(disk: Path) -> tuple[int, int]:
    """(offset, length) in bytes of the Linux root partition of a disk with a GUID partition table."""
    with disk.open("rb") as file:
        file.seek(SECTOR)
        header = file.read(92)
        if header[:8] != b"EFI PART":
            raise UserError(f"{IMAGE} has no GUID partition table.", "Install mmdebstrap instead.")
        table, count, size = struct.unpack_from("<QII", header, 72)
        file.seek(table * SECTOR)
        entries = [file.read(size) for _ in range(count)]
    for entry in entries:
        if str(uuid.UUID(bytes_le=entry[:16])) == LINUX_ROOT_X86_64:
            first, last = struct.unpack_from("<QQ", entry, 32)
            return first * SECTOR, (last - first + 1) * SECTOR
    raise UserError(f"{IMAGE} has no Linux root partition.", "Install mmdebstrap instead.")


def extract(disk: Path, target: Path, offset: int, length: int) -> None:
    """Copy a part of a disk into a file of its own; what is all zeros stays a hole."""
    with disk.open("rb") as source, target.open("wb") as file:
        source.seek(offset)
        for position in range(0, length, CHUNK):
            chunk = source.read(min(CHUNK, length - position))
            if chunk.strip(b"\0"):
                file.seek(position)
                file.write(chunk)
        file.truncate(length)


def check(root: Path) -> None:
    """Check an ext4 file system, mend what is small."""
    script = f'{find("e2fsck")} -f -p "$1" || [ $? -eq 1 ]'  # 1: it was mended
    run(["sh", "-c", script, "sh", root], "Checking the cloud image's file system")


def dump(root: Path, inside: str, target: Path) -> None:
    """Copy a file out of an ext4 file system."""
    run([find("debugfs"), "-R", f"dump {inside} {target}", root], f"Reading {inside} of the image")
    if not target.is_file() or not target.stat().st_size:
        raise UserError(f"The image has no {inside}.", "Install mmdebstrap instead.")


def listing(root: Path, inside: str) -> list[str]:
    """The names in a folder of an ext4 file system."""
    text = run([find("debugfs"), "-R", f"ls -p {inside}", root], f"Reading {inside} of the image")
    return [line.split("/")[5] for line in text.splitlines() if line.startswith("/") and line.count("/") >= 6]


def provision(root: Path, work: Path, progress: Progress) -> None:
    """Boot the cloud image's own kernel once, to install the packages and customise the tree."""
    boot = listing(root, "/boot")
    kernel, initrd = work / "cloud.vmlinuz", work / "cloud.initrd"
    for prefix, target in (("vmlinuz-", kernel), ("initrd.img-", initrd)):
        name = max((name for name in boot if name.startswith(prefix)), default=None)
        if name is None:
            raise UserError(f"The cloud image has no /boot/{prefix}*.", "Install mmdebstrap instead.")
        dump(root, f"/boot/{name}", target)
    payload = work / "provision.tar"
    pack(payload)
    # The shell that the initrd starts unpacks the second disk and goes on with what it finds there.
    start = "tar -C / -x -f /dev/vdb && exec sh /provision/base/provision.sh"
    guest = Guest(
        kernel,
        initrd,
        f'console=ttyS0 root=/dev/vda rw panic=-1 init=/bin/sh -- -c "{start}"',
        accelerator.choose(),
        (Drive(root, "raw", "root"), Drive(payload, "raw", "provision", readonly=True)),
        memory=1024,
        cpus=2,
        egress=True,
    )

    def seen(line: str) -> None:
        if line.startswith("provision: "):
            progress.note(line.removeprefix("provision: "))

    console = run_guest(guest, seconds=SECONDS, hint="Is the Debian archive reachable?", seen=seen)
    if DONE not in console:
        raise GuestFailed("Making the base image out of the cloud image failed. The guest's console ends:", console)


def pack(target: Path) -> None:
    """What the guest needs, as a tar whose members are below /provision."""
    with tarfile.open(target, "w") as tar:
        tar.add(recipe.FOLDER, "provision/base")
        tar.add(recipe.HOST, "provision/host")
        tar.add(recipe.NODE, "provision/packages")
