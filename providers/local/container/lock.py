"""Whether a machine runs: its supervisor holds a lock on a file with its process id, for as long as it lives."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from generator.errors import UserError

FILE = "supervisor.pid"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Be the supervisor of the machine in `folder`; UserError where it has one."""
    descriptor = os.open(folder / FILE, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(f"The machine in {folder} runs already.") from None
    os.truncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    try:
        yield
    finally:
        os.close(descriptor)


def holder(folder: Path) -> int | None:
    """The process id of the supervisor of the machine in `folder`; None where the machine is off."""
    try:
        descriptor = os.open(folder / FILE, os.O_RDONLY)
    except OSError:
        return None
    try:
        # Shared: two who ask at the same time must not take each other for the supervisor.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return int(os.pread(descriptor, 32, 0) or 0) or None
    finally:
        os.close(descriptor)
    return None
