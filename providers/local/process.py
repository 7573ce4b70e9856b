"""Which QEMU process is a machine: found and told apart without a daemon that remembers it.

A machine's QEMU runs in the machine's folder, and nothing else that is QEMU does. That holds over crashes of
whoever started it, over a reboot, and where another process has got the same pid since.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

PIDFILE = "qemu.pid"
_STEP = 0.02  # s between looks at a process that is ending


def _is_qemu_in(pid: int, folder: Path) -> bool:
    """Whether a living (no zombie) QEMU with `folder` as its working folder has this pid."""
    try:
        # A zombie has neither link, so it counts as dead here.
        program = Path(f"/proc/{pid}/exe").readlink()
        return program.name.startswith("qemu-system-") and Path(f"/proc/{pid}/cwd").samefile(folder)
    except OSError:
        return False


def find(folder: Path) -> int | None:
    """The pid of the machine in `folder`; None where it is off."""
    try:
        pid = int((folder / PIDFILE).read_text())
    except (OSError, ValueError):
        pid = 0
    if pid and _is_qemu_in(pid, folder):
        return pid
    # Between its start and its pid file, only a look at all processes finds it.
    others = sorted(int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return next((other for other in others if _is_qemu_in(other, folder)), None)


def running(machines: Path) -> tuple[int, ...]:
    """The pids of the machines that are on, of those in the folder `machines`."""
    folders = sorted(machines.iterdir()) if machines.exists() else []
    return tuple(pid for folder in folders if (pid := find(folder)))


def started(folder: Path) -> float:
    """When the machine in `folder` was last started, in seconds since 1970; 0 where it never was."""
    try:
        return (folder / PIDFILE).stat().st_mtime
    except OSError:
        return 0.0


def kill(folder: Path) -> None:
    """End the machine in `folder` at once, and wait until it is gone."""
    while pid := find(folder):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        time.sleep(_STEP)


def wait_gone(folder: Path, seconds: float, give_up: threading.Event) -> bool:
    """Wait until the machine is off; False where it is still on after `seconds` or when `give_up` is set."""
    end = time.monotonic() + seconds
    while find(folder):
        if time.monotonic() > end or give_up.wait(_STEP * 5):
            return False
    return True
