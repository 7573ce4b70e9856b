"""Machine images in `$ANYWHERE_CACHE/base`: `<key>.qcow2`, and the `<key>.vmlinuz` and `<key>.initrd` that boot it.

The key of a base image is the SHA-256 of its disk, that of a baked image `bake.key`.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Iterator
from pathlib import Path

from generator import directories
from generator.errors import UserError
from generator.files import sha256
from providers.local.guest import Bootable

SUFFIXES = (".qcow2", ".vmlinuz", ".initrd")


def folder() -> Path:
    """Where machine images are kept; made if absent."""
    path = directories.cache() / "base"
    path.mkdir(parents=True, exist_ok=True)
    return path


def holds(key: str) -> bool:
    """Whether the image `key` is in the cache, whole."""
    return all((folder() / f"{key}{suffix}").is_file() for suffix in SUFFIXES)


def bootable(key: str) -> Bootable:
    """The files of the image `key` (a base's sha256, or a baked image's key); UserError where one is gone."""
    files = [folder() / f"{key}{suffix}" for suffix in SUFFIXES]
    for file in files:
        if not file.is_file():
            raise UserError(f"The machine image {key[:12]} is incomplete: {file} is missing.", "Run apply again.")
    return Bootable(*files)


def keep(made: Bootable) -> str:
    """Move what was made into the cache under the SHA-256 of its disk, which is returned."""
    key = sha256(made.disk)
    place(made, key)
    return key


def place(made: Bootable, key: str) -> None:
    """Move what was made into the cache under `key`; the disk last, so that a disk means all three."""
    for source, suffix in ((made.kernel, ".vmlinuz"), (made.initrd, ".initrd"), (made.disk, ".qcow2")):
        source.chmod(0o444)  # machines overlay it: nothing may write to it again
        source.replace(folder() / f"{key}{suffix}")


@contextlib.contextmanager
def alone(thing: str) -> Iterator[None]:
    """One build of a thing at a time, over all processes of this computer."""
    with (folder() / f".lock-{thing[:32]}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def workplace(thing: str) -> Iterator[Path]:
    """A folder to build `thing` in, beside the cache's files; what a killed build left there is removed first."""
    path = folder() / f".build-{thing[:32]}"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
