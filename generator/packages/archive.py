"""The archive itself: the same bytes wherever it is made of the same packages."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from generator.packages.apt import Package

# What apt needs to know of a package; the rest of Debian's index is left out, being different from apt to apt.
FIELDS = (
    "Package",
    "Version",
    "Architecture",
    "Multi-Arch",
    "Essential",
    "Pre-Depends",
    "Depends",
    "Conflicts",
    "Breaks",
    "Replaces",
    "Provides",
    "Size",
    "SHA256",
)


# Beside these, by which apt tells that a machine has just this package: else it would install the same version again.
RECOGNISED = (*FIELDS, "Installed-Size")


def index(packages: Sequence[Package], fields: Sequence[str] = FIELDS) -> str:
    """The file `Packages`: an entry each, in the given order."""
    return "\n".join(_entry(package, fields) for package in packages)


def read_index(path: Path) -> list[dict[str, str]]:
    """The entries of the index in an archive."""
    with tarfile.open(path) as tar:
        file = tar.extractfile("Packages")
        return _entries(file.read().decode() if file else "")


def write(path: Path, text: str, install: Iterable[str], files: Mapping[str, Path]) -> None:
    """Write the archive of the index `text`; `files` are the packages' files by SHA-256."""
    names = "".join(f"{name}\n" for name in install)
    members: dict[str, bytes | Path] = {"Packages": text.encode(), "install": names.encode()}
    for fields in _entries(text):
        members[fields["Filename"].removeprefix("./")] = files[fields["SHA256"]]
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in sorted(members.items()):
            member = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
            else:
                member.size = content.stat().st_size
                with content.open("rb") as file:
                    tar.addfile(member, file)


def _entry(package: Package, fields: Sequence[str]) -> str:
    # The file's name in Debian's pool has no epoch, whose colon a file of an apt source may not have.
    filename = PurePosixPath(package.fields["Filename"]).name
    lines = [f"{name}: {package.fields[name]}" for name in fields if name in package.fields]
    return "\n".join([*lines, f"Filename: ./{filename}", ""])


def _entries(text: str) -> list[dict[str, str]]:
    return [dict(line.split(": ", 1) for line in entry.splitlines()) for entry in text.split("\n\n") if entry]
