"""Disk images in QEMU's own format."""

from __future__ import annotations

import json
from pathlib import Path

from generator.command import run

GIB = 1 << 30


def size_of(image: Path) -> int:
    """The virtual size of an image in GiB, also while a machine has it open."""
    shown = run(["qemu-img", "info", "--force-share", "--output=json", image], f"Reading {image}")
    return int(json.loads(shown)["virtual-size"]) // GIB


def create(image: Path, size: int) -> None:
    """Make an empty image of `size` GiB, whole or not at all."""
    unfinished = image.with_suffix(".new")
    run(["qemu-img", "create", "-q", "-f", "qcow2", unfinished, f"{size}G"], f"Making {unfinished}")
    unfinished.replace(image)


def create_layer(image: Path, base: str, size: int) -> None:
    """Make an image of `size` GiB that begins as `base`, which is a file name in the same folder."""
    options = ("-q", "-f", "qcow2", "-b", base, "-F", "qcow2")
    run(["qemu-img", "create", *options, image, f"{size}G"], f"Making {image}")


def grow(image: Path, size: int) -> None:
    """Grow an image that no machine has open to `size` GiB; it never shrinks."""
    if size_of(image) < size:
        run(["qemu-img", "resize", "-q", "-f", "qcow2", image, f"{size}G"], f"Growing {image}")
