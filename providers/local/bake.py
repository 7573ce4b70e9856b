"""A base image that holds a release's container images already: loading them is slow, so it is done once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from generator.command import find, run
from generator.errors import UserError
from generator.lock import Base, Image
from generator.progress import Progress
from providers.local import accelerator, cache, cpio, recipe
from providers.local.guest import Bootable, Drive, Guest, GuestFailed
from providers.local.guest import run as run_guest

SECONDS = 900  # two emulated cores that are busy with other work load 550 MB in about 150 s
DONE = "bake: all images are loaded"
MEMORY = 2048  # MiB


def key(machine_image: Base, images: Iterable[Image]) -> str:
    """The name of `machine_image` with `images` loaded, in the cache of machine images. Pure."""
    held = sorted((image.ref, image.id) for image in images)
    return hashlib.sha256(json.dumps([machine_image.sha256, held]).encode()).hexdigest()


def ensure(
    machine_image: Base,
    images: tuple[Image, ...],
    runtimes: Mapping[str, tuple[str, ...]],
    archives: Path,
    progress: Progress,
) -> str:
    """Load `images` into a copy of the base image, once; its key.

    `runtimes` says which of `docker` and `containerd` hold an image, by the image's name; the archives are
    `<archives>/<sha256>.tar`.
    """
    name = key(machine_image, images)
    with cache.alone(name):
        if cache.holds(name):
            return name
        drives = [Drive(archive(archives, image), "raw", f"archive{n}", True) for n, image in enumerate(images)]
        plan = "".join(
            f"{drive.serial} {runtime} {image.ref}\n"
            for drive, image in zip(drives, images, strict=True)
            for runtime in runtimes[image.name]
        )
        with (
            progress.phase(f"Loading {len(images)} container images into the base image"),
            cache.workplace(name) as work,
        ):
            _bake(cache.bootable(machine_image.sha256), work, name, plan, drives, progress)
    return name


def archive(archives: Path, image: Image) -> Path:
    """The file of an image in the folder of archives; UserError where it is missing."""
    path = archives / f"{image.archive}.tar"
    if not path.is_file():
        raise UserError(f"The archive of image {image.ref} is missing: {path}.", "Run `anywhere images lock`.")
    return path


def _bake(plain: Bootable, work: Path, name: str, plan: str, drives: list[Drive], progress: Progress) -> None:
    """Boot `plain` with the archives as disks, and keep the disk that results under `name`."""
    qemu_img = find("qemu-img")
    overlay, made = work / "overlay.qcow2", Bootable(work / "baked.qcow2", work / "vmlinuz", work / "initrd")
    run([qemu_img, "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", plain.disk, overlay], "Making an overlay")
    initrd = work / "bake.initrd"
    script = (recipe.FOLDER / "bake.sh").read_bytes()
    initrd.write_bytes(plain.initrd.read_bytes() + cpio.archive({"bake": script, "plan": plan.encode()}))
    guest = Guest(
        plain.kernel,
        initrd,
        "console=ttyS0 root=/dev/vda quiet loglevel=3 mitigations=off panic=-1",
        accelerator.choose(),
        (Drive(overlay, "qcow2", "root"), *drives),
        memory=MEMORY,
        cpus=2,
    )

    def seen(line: str) -> None:
        if line.startswith("bake: "):
            progress.note(line.removeprefix("bake: "))

    console = run_guest(guest, seconds=SECONDS, hint="Run the same command again.", seen=seen)
    if DONE not in console:
        raise GuestFailed("Loading the container images failed. The guest's console ends:", console)
    run([qemu_img, "convert", "-O", "qcow2", overlay, made.disk], "Writing the baked image")
    made.kernel.hardlink_to(plain.kernel)
    made.initrd.hardlink_to(plain.initrd)
    cache.place(made, name)
