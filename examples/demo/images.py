"""The images of the demo, compiled and written without a container daemon; twice gives the same archives."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from generator import directories
from generator.images import archive, compiler, layer, toolchain
from generator.images.archive import Config
from generator.images.compiler import Program
from generator.progress import Progress

SOURCES = Path(__file__).parent / "services"
REPOSITORY = "demo"
NOBODY = "65534:65534"
TAG_LENGTH = 12


@dataclass(frozen=True, slots=True)
class Image:
    """One of them: `tag` is the beginning of its digest, so another content is another tag."""

    name: str
    tag: str
    archive: Path

    @property
    def path(self) -> str:
        """What it is called in a registry."""
        return f"{REPOSITORY}/{self.name}:{self.tag}"


def names() -> tuple[str, ...]:
    """Every program of the Go module."""
    return tuple(sorted(folder.name for folder in (SOURCES / "cmd").iterdir()))


def build(arch: str, progress: Progress, folder: Path | None = None) -> Mapping[str, Image]:
    """An image of each program for `arch`, by name, with its archive in `folder`; the cache, where none is given."""
    toolchain.check()
    go = toolchain.go(directories.cache(), progress)
    into = folder or directories.cache() / REPOSITORY
    into.mkdir(parents=True, exist_ok=True)
    return {name: _image(name, arch, go, into, progress) for name in names()}


def _image(name: str, arch: str, go: Path, folder: Path, progress: Progress) -> Image:
    path = folder / f"{name}-{arch}.tar"
    config = Config(entrypoint=(f"/{name}",), user=NOBODY)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".build-") as work:
        program, top = Path(work, name), Path(work, "layer.tar")
        compiler.compile_program(Program(name, SOURCES, f"./cmd/{name}", arch), program, go, progress)
        layer.write(top, {name: layer.File(program)})
        made = archive.write(path, f"{REPOSITORY}/{name}:latest", [top], config, arch)
    return Image(name, made.id.removeprefix("sha256:")[:TAG_LENGTH], path)
