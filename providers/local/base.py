"""The machine image of local VMs: Debian 13 with Docker and containerd, one ext4 file system that QEMU boots itself."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from generator.errors import UserError
from generator.files import write_atomic
from generator.lock import Base
from generator.progress import Progress
from providers.local import cache, cloud_image, debian_archive
from providers.local.recipe import digest

_BUILDERS = {"debian-archive": debian_archive.build, "cloud-image": cloud_image.build}


def check() -> None:
    """UserError naming what is missing here for making a base image; nothing is, where there is one."""
    source = _source()
    if source == "debian-archive" and _remembered(_memo(digest(source))) is None:
        debian_archive.check()


def ensure(progress: Progress) -> Base:
    """The base image, from the cache or built now. The second call returns at once."""
    source = _source()
    recipe = digest(source)
    with cache.alone(recipe):
        memo = _memo(recipe)
        if (base := _remembered(memo)) is not None:
            return base
        with (
            progress.phase(f"Base image of local machines ({source})"),
            cache.workplace(recipe) as work,
        ):
            base = Base(source, cache.keep(_BUILDERS[source](work, progress)))
        write_atomic(memo, json.dumps({"source": base.source, "sha256": base.sha256}).encode())
        return base


def have(wanted: Base, progress: Progress) -> None:
    """Have just the base image that a lock names; UserError where this computer makes another one."""
    if cache.holds(wanted.sha256):
        return
    made = ensure(progress)
    if made.sha256 != wanted.sha256:
        message = f"The base image made here is {made.sha256[:12]}; the lock names {wanted.sha256[:12]}."
        raise UserError(message, "Bring that image into the cache, or lock this one: `anywhere images lock`.")


def _source() -> str:
    """Which way this computer can go: the Debian archive is faster, the cloud image needs fewer tools."""
    if shutil.which("mmdebstrap"):
        return "debian-archive"
    if shutil.which("qemu-img"):
        return "cloud-image"
    raise UserError(
        "No base image can be made: neither mmdebstrap nor qemu-img is installed.",
        "Install them: apt-get install mmdebstrap uidmap fakeroot qemu-system-x86 qemu-utils.",
    )


def _memo(recipe: str) -> Path:
    """The file that says which image a recipe made."""
    return cache.folder() / f"recipe-{recipe[:32]}.json"


def _remembered(memo: Path) -> Base | None:
    try:
        base = Base(**json.loads(memo.read_text()))
    except (OSError, ValueError, TypeError):
        return None  # never built, or damaged: build it
    return base if cache.holds(base.sha256) else None
