"""Building an image from its recipe, without a container daemon; twice gives the same archive."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from pathlib import Path

from generator import debian
from generator.images import archive, layer, rootfs, toolchain
from generator.images.archive import Config
from generator.images.catalog import Wanted, titled
from generator.images.compiler import Program, compile_program
from generator.images.recipe import Recipe
from generator.progress import Progress

SOURCE = "anywhere.source"  # label: how the image was made (build, release)
KEY = "anywhere.recipe"  # label: the digest of what it was made from


def labelled(config: Config, source: str, key: str) -> Config:
    """`config` with the labels by which a later run knows that nothing is to be done."""
    return dataclasses.replace(config, labels={SOURCE: source, KEY: key})


def build(wanted: Wanted, recipe: Recipe, path: Path, cache: Path, progress: Progress) -> None:
    """Build `wanted` to a docker-archive at `path`."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".build-") as work:
        # First, as it takes programs of this computer: one that is missing is named before a long compile.
        layers = [rootfs.make(wanted.arch, cache, progress)] if recipe.debian else []
        programs = compile_programs(recipe, wanted.arch, Path(work), cache, progress)
        entries = {**recipe.entries, **{name: layer.File(file) for name, file in programs.items()}}
        top = Path(work) / "layer.tar"
        layer.write(top, entries)
        config = labelled(recipe.config, "build", recipe.key(wanted.arch))
        archive.write(path, wanted.ref, [*layers, top], config, wanted.arch)


def check(recipe: Recipe) -> None:
    """UserError where this computer lacks what building takes: Go or a proxy to get it from, mmdebstrap for Debian."""
    if recipe.debian:
        debian.check()
    toolchain.check()


def compile_programs(recipe: Recipe, arch: str, work: Path, cache: Path, progress: Progress) -> dict[str, Path]:
    """Compile the programs of a recipe for `arch` in the folder `work`; their files by path in the image."""
    go = toolchain.go(cache, progress)
    source = _lay_out(recipe, work / "source")
    stamps = [f"{name}={value}" for name, value in recipe.stamps.items()]
    files = {}
    for name, package in recipe.programs.items():
        title = titled(name.rpartition("/")[2], arch)
        files[name] = work / name.replace("/", "_")
        compile_program(Program(title, source, package, arch, stamps), files[name], go, progress)
    return files


def _lay_out(recipe: Recipe, folder: Path) -> Path:
    """Copy the sources of a recipe to `folder`, under the names that Go reads them by."""
    for name, path in recipe.sources().items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return folder
