"""The folder that a tree is rendered to. It may come from git, so nothing in it is trusted."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable
from pathlib import Path

from generator.errors import UserError
from generator.files import sha256, write_atomic
from generator.render import Tree, configuration_files

MANIFEST = ".anywhere-files"
# What a tree has beside Terraform's files. A manifest that names anything else was not written here.
_RENDERED = re.compile(r"applied\.json|startup-script|\.gitignore|(documents|user-data)(/[\w-][\w.-]*)+")
# What Terraform or OpenTofu reads unasked in a folder: configuration, overrides, values of variables, programs.
_LOADED = re.compile(
    r"[^.].*\.(tf|tofu)(\.json)?|[^.].*\.(tf|tofu)(test|query|mock)\.(hcl|json)|tests|terraform\.d"
    r"|terraform\.tfvars(\.json)?|.+\.auto\.tfvars(\.json)?"
)
_STATE = re.compile(r"terraform\.tfstate(\.backup)?|\.terraform|\.terraform\.lock\.hcl|\.anywhere-.+")


def check(folder: Path, temporary: Tree) -> None:
    """UserError where `folder` holds something that Terraform would use and anywhere did not write.

    That is a link, a foreign configuration file, or a manifest with paths that no rendered tree has. `temporary`
    has the files that may be there while a plan is made.
    """
    if not folder.is_dir():
        return
    known = _manifest(folder)
    used = {path.name for path in folder.iterdir() if _LOADED.fullmatch(path.name) or _STATE.fullmatch(path.name)}
    _refuse_links(folder, known | used)
    ours = {name for name, data in temporary.items() if name in used and (folder / name).read_bytes() == data}
    _refuse_foreign(folder, known | ours)


def write(files: Tree, folder: Path) -> Tree:
    """Make `folder` hold `files`, and remove what an earlier tree had, which is given. All else in it is left alone.

    UserError, with nothing written, where that would replace a file that anywhere did not write, or follow a link.
    Where a file cannot be written, the folder becomes again what it was.
    """
    before: Tree | None = None
    try:
        known = _manifest(folder)
        _refuse_links(folder, known | set(files))
        for name in sorted(set(files) - known):
            _refuse_other(folder / name, files[name])
        _refuse_foreign(folder, known | set(files))
        before = contents(folder)
        _write(files, folder, known)
    except OSError as error:
        mixed = "" if before is None else _put_back(before, folder)
        raise UserError(
            f"{folder} cannot be written: {error}.{mixed}", "Free space or choose another --out."
        ) from error
    return before


def contents(folder: Path) -> Tree:
    """What `folder` holds of the tree that was written last, for `restore`."""
    paths = {name: folder / name for name in _manifest(folder)}
    return {name: path.read_bytes() for name, path in paths.items() if path.is_file()}


def restore(files: Tree, folder: Path) -> None:
    """Make `folder` hold again what `contents` found there. One that was not there goes, if nothing else is in it.

    UserError where it cannot be written.
    """
    if left := _put_back(files, folder):
        raise UserError(left.strip(), "Free space, then write it anew: `anywhere render`.")


def stale(files: Tree, folder: Path) -> tuple[str, ...]:
    """The paths in `folder`, sorted, that `write` would write or remove. UserError where it would refuse to."""
    known = _manifest(folder)
    _refuse_links(folder, known | set(files))
    _refuse_foreign(folder, known | set(files))
    gone = {str(folder / name) for name in known - set(files)}
    other = {str(folder / name) for name, data in files.items() if not _holds(folder / name, data)}
    unlisted = {str(folder / MANIFEST)} if known != set(files) else set()
    return tuple(sorted(gone | other | unlisted))


def digest(folder: Path) -> str:
    """The SHA-256 of the tree that `folder` holds: of all its paths and their content."""
    total = hashlib.sha256()
    for name in sorted(_manifest(folder)):
        total.update(f"{sha256(folder / name)} {name}\n".encode())
    return total.hexdigest()


def _put_back(files: Tree, folder: Path) -> str:
    """Do what `restore` does; "" where that went well, else what is left."""
    try:
        _write(files, folder, _manifest(folder))
        if not files:
            (folder / MANIFEST).unlink()
            _remove_empty(folder)
    except OSError as error:
        return f" {folder} has files of two versions now, as it cannot be put back: {error}."
    return ""


def _holds(path: Path, data: bytes) -> bool:
    return path.is_file() and path.read_bytes() == data


def _write(files: Tree, folder: Path, known: set[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    _write_manifest(folder, known | set(files))  # first: what an interrupted run wrote is known to the next one
    for name, data in sorted(files.items()):
        path = folder / name
        if not _holds(path, data):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, data)
    for name in sorted(known - set(files)):
        (folder / name).unlink(missing_ok=True)
        for parent in (folder / name).relative_to(folder).parents[:-1]:
            _remove_empty(folder / parent)
    _write_manifest(folder, set(files))


def _remove_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _write_manifest(folder: Path, names: set[str]) -> None:
    path, data = folder / MANIFEST, "".join(f"{name}\n" for name in sorted(names)).encode()
    if not path.exists() or path.read_bytes() != data:
        write_atomic(path, data)


def _manifest(folder: Path) -> set[str]:
    """The files of the tree that was written last; UserError where one of them cannot be of a tree."""
    path = folder / MANIFEST
    _refuse_links(folder, [MANIFEST])
    names = path.read_text(errors="replace").splitlines() if path.exists() else []
    for name in names:
        if name not in configuration_files() and not _RENDERED.fullmatch(name):
            raise UserError(
                f"{path} names {name!r}, which is not a file that anywhere writes there.",
                f"Delete that line, or restore {MANIFEST} from git. Nothing was changed.",
            )
    return set(names)


def _refuse_links(folder: Path, names: Iterable[str]) -> None:
    """UserError where one of these paths, or a folder on the way to it, is a link."""
    for name in sorted(names):
        for path in (folder / name, *(folder / name).parents):
            if path == folder:
                break
            if path.is_symlink():
                raise UserError(
                    f"{path} is a link to {path.readlink()}: anywhere neither reads nor writes through it.",
                    "Replace it by what it stands for, or delete it. Nothing was changed.",
                )


def _refuse_other(path: Path, data: bytes) -> None:
    """UserError where there is a file at `path` with anything but `data`."""
    if path.exists() and path.read_bytes() != data:
        raise UserError(
            f"{path} would be replaced, but anywhere did not write it.",
            "Move it elsewhere, or give another folder as --out. Nothing was changed.",
        )


def _refuse_foreign(folder: Path, known: Collection[str]) -> None:
    """UserError where Terraform would read more files of `folder` than those `known`."""
    there = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    foreign = [name for name in there if _LOADED.fullmatch(name) and name not in known]
    if foreign:
        raise UserError(
            f"Terraform would read files in {folder} that anywhere did not write: {', '.join(foreign)}.",
            "Move them elsewhere, or give another folder as --out: they would run with your credentials and the"
            " cluster's secrets. Nothing was changed.",
        )
