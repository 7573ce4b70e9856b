"""Archives of Debian's packages for machines, one an architecture: a tar that is an apt source.

It holds the `.deb` files, their index `Packages`, and `install`: the names to install, one a line. One has what a node
needs beyond a stock Debian, another what machines that are there update themselves from.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from generator import directories
from generator.definition import Os
from generator.errors import UserError
from generator.files import copy_atomic, sha256, write_atomic
from generator.lock import Packages, Update, Updates
from generator.packages import archive, closure, updates
from generator.packages.apt import Apt, Package
from generator.progress import Progress


@dataclass(frozen=True, slots=True)
class Selection:
    """What an archive is to hold. `choose` gets Debian's whole archive, and a folder for whatever else it looks at.

    `install` are the names that are installed of it by themselves, `fields` those of Debian's index that it has.
    """

    title: str
    choose: Callable[[Apt, Path], tuple[Package, ...]]
    install: tuple[str, ...] = ()
    fields: tuple[str, ...] = archive.FIELDS


def needed() -> Selection:
    """What a node needs beyond a stock Debian."""
    return Selection("packages of nodes", lambda apt, work: closure.missing(apt), tuple(closure.wanted()))


def updating(os: Os, arch: str) -> Selection:
    """What machines that are there may have in an older version."""

    def choose(apt: Apt, work: Path) -> tuple[Package, ...]:
        return updates.choose(os, arch, apt, work)

    return Selection("updates of machines", choose, fields=archive.RECOGNISED)


def ensure(selection: Selection, arch: str, cache: Path, progress: Progress) -> Packages:
    """What Debian's archive has now for `arch`, in the cache. What is there already is not downloaded again."""
    with progress.phase(f"{selection.title} ({arch})"):
        return _make(selection, arch, cache, progress)


def resolve_updates(os: Os, arch: str, cache: Path, progress: Progress) -> Updates | None:
    """What Debian's archive has now of `os.updates`, in the cache; None where that is nothing."""
    try:
        made = ensure(updating(os, arch), arch, cache, progress)
    except UserError as error:
        raise UserError(error.message, f"{error.hint} spec.os.updates: none does without.") from None
    found = archive.read_index(_path(made, cache))
    packages = {each["Package"]: Update(each["Version"], each["SHA256"]) for each in found}
    return Updates(made, packages) if packages else None


def present(selection: Selection, packages: Packages, arch: str, cache: Path, progress: Progress) -> Path:
    """Have exactly the archive of the lock in the cache; its path. UserError where it can no longer be had."""
    path = _path(packages, cache)
    if _is(path, packages):
        return path
    path.unlink(missing_ok=True)  # if it is there, it is not what its name says
    for file in sorted(_archives_folder().glob("*.tar")):
        if _is(file, packages):
            path.parent.mkdir(parents=True, exist_ok=True)
            copy_atomic(file, path)
            return path
    made = ensure(selection, arch, cache, progress)
    if made != packages:
        raise UserError(
            f"The {selection.title} ({arch}): the lock says {packages.sha256}, but Debian's archive has moved on "
            f"and now gives {made.sha256}.",
            f"Put {packages.sha256}.tar, from the cache it was locked with, in {_archives_folder()}; "
            "or take the newer packages: `anywhere images lock`.",
        )
    return path


def _make(selection: Selection, arch: str, cache: Path, progress: Progress) -> Packages:
    folder = cache / "packages"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as work:
        apt = Apt(arch, Path(work) / "apt")
        progress.note("reading the package lists")
        apt.update()
        chosen = selection.choose(apt, Path(work))
        index = archive.index(chosen, selection.fields)
        content = f"{index}{list(selection.install)}"
        memo = folder / f"{arch}-{hashlib.sha256(content.encode()).hexdigest()[:32]}.json"
        if (known := _remembered(memo, cache)) is not None:
            return known
        total = sum(package.size for package in chosen)
        progress.note(f"downloading {len(chosen)} packages, {total / 1e6:.0f} MB")
        tar = Path(work) / "packages.tar"
        archive.write(tar, index, selection.install, apt.download(chosen))
        made = Packages(sha256(tar), tar.stat().st_size)
        tar.replace(_path(made, cache))
        write_atomic(memo, json.dumps({"sha256": made.sha256, "size": made.size}).encode())
    return made


def _path(packages: Packages, cache: Path) -> Path:
    return cache / "packages" / f"{packages.sha256}.tar"


def _remembered(memo: Path, cache: Path) -> Packages | None:
    """The archive that was made of the same index, where it is still whole."""
    try:
        known = Packages(**json.loads(memo.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return known if _is(_path(known, cache), known) else None


def _is(file: Path, packages: Packages) -> bool:
    return file.is_file() and file.stat().st_size == packages.size and sha256(file) == packages.sha256


def _archives_folder() -> Path:
    """Where a user may have put archives: `packages`, beside the folder of image archives."""
    return directories.archives().parent / "packages"
