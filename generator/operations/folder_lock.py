"""The lock on a cluster's folder: one run at a time works in it, and takes its temporary files with it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from generator import interrupts, render
from generator.errors import UserError
from generator.files import PRIVATE
from generator.operations.project import Project
from generator.terraform import PLAN_FILES

LOCK = ".anywhere-lock"


@contextmanager
def hold(project: Project, verb: str) -> Iterator[None]:
    """Hold the project's folder for a whole verb, from what it shows to what it does.

    The kernel drops the lock with the process, so none is ever stale. Plan files and files that lift a protection are
    deleted at the end, and at the beginning those that a killed run left. UserError where another run holds it.
    """
    made = _make(project.folder)
    lock = project.folder / LOCK
    descriptor = _acquire(lock, verb)
    try:
        _clean(project)
        yield
    finally:
        with interrupts.handled(lambda number: None):  # the run ends anyway
            _clean(project)
            lock.unlink(missing_ok=True)  # still held: whoever waits for this one looks for another
            os.close(descriptor)
            for folder in made:
                with suppress(OSError):  # something was written there
                    folder.rmdir()


def _make(folder: Path) -> list[Path]:
    """Have `folder`; those that were made for it, the innermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        remedy = "Give the path of a folder, or of none yet, as --out."
        raise UserError(f"{folder} is not a folder.", remedy) from None
    return missing


def _acquire(path: Path, verb: str) -> int:
    """The descriptor of the lock file, locked; it says who has it."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _held(path, descriptor) from None
        except OSError as error:
            remedy = "Delete it if it is a link; otherwise give another folder as --out."
            raise UserError(f"{path} cannot be locked: {error.strerror}.", remedy) from None
        if _is_current(path, descriptor):
            break
        os.close(descriptor)  # whoever held it has deleted it meanwhile
    since = datetime.now().astimezone().isoformat(" ", "seconds")
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"`anywhere {verb}`, process {os.getpid()}, since {since}".encode(), 0)
    return descriptor


def _held(path: Path, descriptor: int) -> UserError:
    holder = os.pread(descriptor, 200, 0).decode(errors="replace") or "it has just begun"
    os.close(descriptor)
    return UserError(
        f"Another run works in {path.parent}: {holder}.", "Wait until it has ended, then run the same command again."
    )


def _is_current(path: Path, descriptor: int) -> bool:
    """Whether `path` is still the file that was opened."""
    try:
        there = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(descriptor))


def _clean(project: Project) -> None:
    """Delete what belongs to a single run: saved plans, and what lifts the protection of etcd's data."""
    for path in project.folder.glob(PLAN_FILES):
        path.unlink(missing_ok=True)
    for name, data in render.unprotected(project.provider.name).items():
        path = project.folder / name
        if path.is_file() and not path.is_symlink() and path.read_bytes() == data:
            path.unlink()
