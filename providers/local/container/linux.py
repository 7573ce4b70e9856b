"""System calls for namespaces and mounts, which Python has only from 3.12 on, if at all."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NEW_MOUNT, NEW_NETWORK, NEW_PID = 0x00020000, 0x40000000, 0x20000000
RECURSIVE, PRIVATE = 16384, 1 << 18
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def unshare(namespaces: int) -> None:
    """Give this process new namespaces (NEW_PID: its children)."""
    _check(_libc.unshare(namespaces), "unshare")


@contextmanager
def children_in_new_pid_namespace() -> Iterator[None]:
    """The first child that is started inside becomes the first process of a namespace, which ends with it."""
    own = os.open("/proc/self/ns/pid", os.O_RDONLY)
    try:
        unshare(NEW_PID)
        yield
    finally:
        _check(_libc.setns(own, NEW_PID), "setns")
        os.close(own)


@contextmanager
def network_namespace(descriptor: int) -> Iterator[None]:
    """Be in the network namespace that `descriptor` refers to for a while; this thread only."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        enter_network_namespace(descriptor)
        yield
    finally:
        enter_network_namespace(own)
        os.close(own)


def enter_network_namespace(descriptor: int) -> None:
    """Move this thread to the network namespace that `descriptor` refers to."""
    _check(_libc.setns(descriptor, NEW_NETWORK), "setns")


def mount(source: str | Path, target: Path, kind: str, flags: int = 0, options: str = "") -> None:
    """mount(2). OSError names the target."""
    words = (os.fsencode(source), os.fsencode(target), kind.encode(), flags, options.encode())
    _check(_libc.mount(words[0], words[1], words[2], ctypes.c_ulong(words[3]), words[4]), str(target))


def unmount(target: Path) -> None:
    """umount2(2), at once; what still uses it keeps it."""
    _check(_libc.umount2(os.fsencode(target), 2), str(target))


def own_mounts() -> None:
    """Mount from now on only for this process and its children: all of it ends with them."""
    unshare(NEW_MOUNT)
    mount("none", Path("/"), "", RECURSIVE | PRIVATE)


def die_with_parent() -> None:
    """Be killed when the thread that started this process ends."""
    _check(_libc.prctl(_DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0), "prctl")
