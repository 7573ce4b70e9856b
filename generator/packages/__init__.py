"""The packages that a node needs beyond a stock Debian, one archive an architecture: a tar that is an apt source.

It holds the `.deb` files, their index `Packages`, and `install`: the names to install, one a line.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path

from generator import directories
from generator.errors import UserError
from generator.files import copy_atomic, sha256, write_atomic
from generator.lock import Packages
from generator.packages import archive, closure
from generator.packages.apt import Apt
from generator.progress import Progress


def ensure(arch: str, cache: Path, progress: Progress) -> Packages:
    """What Debian's archive has now for `arch`, in the cache. What is there already is not downloaded again."""
    with progress.phase(f"packages of nodes ({arch})"):
        return _make(arch, cache, progress)


def present(packages: Packages, arch: str, cache: Path, progress: Progress) -> Path:
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
    made = ensure(arch, cache, progress)
    if made != packages:
        raise UserError(
            f"The packages of {arch} nodes: the lock says {packages.sha256}, but Debian's archive has moved on "
            f"and now gives {made.sha256}.",
            f"Put {packages.sha256}.tar, from the cache it was locked with, in {_archives_folder()}; "
            "or take the newer packages: anywhere images lock.",
        )
    return path


def _make(arch: str, cache: Path, progress: Progress) -> Packages:
    folder = cache / "packages"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as work:
        apt = Apt(arch, Path(work) / "apt")
        progress.note("reading the package lists")
        apt.update()
        needed = closure.missing(apt)
        index = archive.index(needed)
        memo = folder / f"{arch}-{hashlib.sha256(f'{index}{closure.wanted()}'.encode()).hexdigest()[:32]}.json"
        if (known := _remembered(memo, cache)) is not None:
            return known
        total = sum(package.size for package in needed)
        progress.note(f"downloading {len(needed)} packages, {total / 1e6:.0f} MB")
        tar = Path(work) / "packages.tar"
        archive.write(tar, index, apt.download(needed))
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
