"""The one place that writes files which matter: whole or not at all, and durably where that is asked for."""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from generator.errors import UserError

PRIVATE = 0o600  # only the owner reads or writes it
PUBLIC = 0o666  # as open() creates files: the user's umask decides


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomic(path: Path, data: bytes, mode: int = PUBLIC, *, durable: bool = False) -> None:
    """Write `data` to `path`: a reader sees the old file or the new one, never a part of it.

    `mode` is as in open(2): the umask applies to it. What is `durable` also survives a power cut, which takes
    two fsyncs. A link at `path` is replaced, not followed. OSError as the system gives it; the old file is kept then.
    """
    with replacing(path) as temporary:
        _write(temporary, data, mode, durable)
    if durable:
        _sync(path.parent)


def rewrite(path: Path, data: bytes, mode: int | None = None) -> None:
    """As a durable `write_atomic`, to a file that a person keeps: a link at `path` is followed, and stays.

    Without a `mode` the file keeps the one it has.
    """
    target = Path(os.path.realpath(path))
    with replacing(target) as temporary:
        _write(temporary, data, PUBLIC if mode is None else mode, durable=True)
        if mode is None and target.exists():
            shutil.copymode(target, temporary)
    _sync(target.parent)


def create_atomic(path: Path, data: bytes, mode: int = PUBLIC) -> None:
    """As a durable `write_atomic`, but never replaces: FileExistsError where there is a file at `path`."""
    temporary = _beside(path)
    try:
        _write(temporary, data, mode, durable=True)
        os.link(temporary, path)  # unlike a rename, a link never replaces
    finally:
        temporary.unlink(missing_ok=True)
    _sync(path.parent)


def create_private(folder: Path, prefix: str, suffix: str) -> Path:
    """A new, empty file in `folder` with a name of its own, which only its owner reads or writes."""
    descriptor, path = tempfile.mkstemp(suffix, prefix, folder)
    os.close(descriptor)
    return Path(path)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to, which takes its place at the end; removed where the body raises.

    What root replaces keeps its owner: `sudo anywhere apply` must not take a person's files away.
    """
    temporary = _beside(path)
    try:
        yield temporary
        if os.geteuid() == 0 and os.path.lexists(path):
            owner = path.lstat()
            os.chown(temporary, owner.st_uid, owner.st_gid)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def copy_atomic(source: Path, target: Path) -> None:
    """The same file at `target`, whole or not at all: a hard link where that is possible, else a copy."""
    with replacing(target) as temporary:
        _duplicate(source.resolve(), temporary)


def _beside(path: Path) -> Path:
    """A hidden name in the same folder that no other writer uses; what killed writers left there is removed."""
    prefix = f".{path.name[:64]}.new-"
    for left in path.parent.glob(f"{glob.escape(prefix)}*"):
        process = left.name.removeprefix(prefix).partition("-")[0]
        if process.isdigit() and not _is_running(int(process)):
            left.unlink(missing_ok=True)
    return path.with_name(f"{prefix}{os.getpid()}-{threading.get_native_id()}")


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it runs, as another user
        pass
    return True


def _write(path: Path, data: bytes, mode: int, durable: bool) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, mode), "wb") as file:
        file.write(data)
        if durable:
            file.flush()
            os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Make a rename within `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _duplicate(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        try:
            shutil.copyfile(source, target)
        except OSError as error:
            message = f"{source} cannot be copied to {target.parent}: {error.strerror}."
            raise UserError(message, "Free space there, or let ANYWHERE_CACHE name another folder.") from None
