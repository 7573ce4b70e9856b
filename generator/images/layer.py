"""Image layers: tar files whose bytes depend on nothing but what is in them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True, slots=True)
class File:
    """A file of a layer, from a file of this machine or from bytes."""

    content: Path | bytes
    mode: int = 0o755


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link of a layer."""

    target: str


@dataclass(frozen=True, slots=True)
class Folder:
    """An empty folder of a layer; the folders above files need no entry."""

    mode: int = 0o755


Entries = Mapping[str, File | Link | Folder]


def write(path: Path, entries: Entries) -> None:
    """Write a layer of `entries`, by their path in the image without a leading slash."""
    folders = {str(p): Folder() for name in entries for p in PurePosixPath(name).parents if p.name}
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, entry in sorted({**folders, **entries}.items()):
            _add(tar, tarfile.TarInfo(name), entry)


def _add(tar: tarfile.TarFile, info: tarfile.TarInfo, entry: File | Link | Folder) -> None:
    match entry:
        case Folder():
            info.type, info.mode = tarfile.DIRTYPE, entry.mode
            tar.addfile(info)
        case Link():
            info.type, info.mode, info.linkname = tarfile.SYMTYPE, 0o777, entry.target
            tar.addfile(info)
        case File(content=bytes() as content):
            info.mode, info.size = entry.mode, len(content)
            tar.addfile(info, io.BytesIO(content))
        case File(content=Path() as source):
            info.mode, info.size = entry.mode, source.stat().st_size
            with source.open("rb") as file:
                tar.addfile(info, file)


def rewrite(source: Path, path: Path, keep: Callable[[str], bool]) -> None:
    """Copy a tar made by another tool, without times, user names and the members that `keep` refuses."""
    with tarfile.open(source) as old, tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as new:
        for member in old:
            name = member.name.removeprefix("./")
            if name in ("", ".") or not keep(name):
                continue
            member.name, member.mtime, member.uname, member.gname = name, 0, "", ""
            if member.islnk():
                member.linkname = member.linkname.removeprefix("./")
            member.pax_headers = {k: v for k, v in member.pax_headers.items() if k.startswith("SCHILY.xattr.")}
            new.addfile(member, old.extractfile(member) if member.isreg() else None)
