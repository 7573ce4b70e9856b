"""The base image as containers use it: a raw file system with a release's container images loaded, natively."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from generator.command import find, run
from generator.errors import UserError
from generator.lock import Base, Image
from generator.progress import Progress
from providers.local import bake, cache, recipe
from providers.local import base as bases
from providers.local.container import filesystem, linux, root

SCRIPT = recipe.FOLDER / "bake.sh"
_ARCHIVES = "/run/archives"  # where the script finds them


def file_of(key: str) -> Path:
    """The image `key` in the cache of machine images, whether it is there or not."""
    return cache.folder() / f"{key}.raw"


def ensure(
    base: Base, images: tuple[Image, ...], runtimes: Mapping[str, tuple[str, ...]], archives: Path, progress: Progress
) -> None:
    """Have the image of `base` with `images` loaded in the cache. The arguments are those of `bake.ensure`."""
    key = bake.key(base, images)
    with cache.alone(key):
        if file_of(key).is_file():
            return
        bases.have(base, progress)
        with (
            progress.phase(f"Loading {len(images)} container images into the base image"),
            cache.workplace(key) as work,
        ):
            made = work / "made.raw"
            disk = cache.bootable(base.sha256).disk
            run([find("qemu-img"), "convert", "-O", "raw", disk, made], "Reading the base image")
            plan = work / "plan.json"
            plan.write_text(json.dumps(_plan(images, runtimes, archives)))
            root.call("load-images", made, plan)
            made.chmod(0o444)  # machines mount it: nothing may write to it again
            made.replace(file_of(key))


def _plan(images: Iterable[Image], runtimes: Mapping[str, tuple[str, ...]], archives: Path) -> dict[str, object]:
    """Where each archive is, and the lines that the script reads."""
    named = [(f"archive{number}", image) for number, image in enumerate(images)]
    return {
        "archives": {name: str(bake.archive(archives, image)) for name, image in named},
        "lines": [f"{name} {runtime} {image.ref}" for name, image in named for runtime in runtimes[image.name]],
    }


def load(image: Path, plan: Path) -> None:
    """Load archives into the file system in `image`, by the script that a virtual machine boots for it. Root only."""
    wanted = json.loads(plan.read_text())
    place, lines = image.with_suffix(".mounted"), image.with_suffix(".lines")
    lines.write_text("".join(f"{line}\n" for line in wanted["lines"]))
    linux.own_mounts()
    place.mkdir()
    filesystem.mount_image(image, place, "rw")
    try:
        said = run(_command(place, lines, wanted["archives"]), "Loading the container images")
    finally:
        linux.unmount(place)
        place.rmdir()
    if bake.DONE not in said:
        last = "\n".join(f"  {line}" for line in said.splitlines()[-8:])
        raise UserError(f"Loading the container images failed:\n{last}", "Run the same command again.")


def _command(place: Path, lines: Path, archives: Mapping[str, str]) -> list[str]:
    binds = {SCRIPT: "/run/bake", lines: "/run/plan"} | {
        Path(path): f"{_ARCHIVES}/{name}" for name, path in archives.items()
    }
    return [
        find("systemd-nspawn"),
        "--quiet",
        f"--directory={place}",
        "--private-network",
        "--register=no",
        "--keep-unit",
        "--as-pid2",
        "--console=read-only",
        "--capability=all",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        *(filesystem.bind("--bind-ro", source, target) for source, target in binds.items()),
        "/bin/sh",
        "/run/bake",
    ]
