"""Stage marks on the serial console, which show the progress of a machine from outside."""

from __future__ import annotations

import os
from pathlib import Path

UPTIME, FIRST_PROCESS = Path("/proc/uptime"), Path("/proc/1/stat")
STARTTIME = 19  # the field of proc(5), counted from the one behind the process's name
CONSOLES = (Path("/dev/ttyS0"), Path("/dev/console"))


def _uptime() -> float:
    """Seconds since the first process of this machine began; the kernel of a container has been up for longer."""
    began = int(FIRST_PROCESS.read_text().rsplit(")", 1)[1].split()[STARTTIME]) / os.sysconf("SC_CLK_TCK")
    return float(UPTIME.read_text().split()[0]) - began


def _write(line: str) -> None:
    print(line, flush=True)  # the journal keeps it too
    for console in CONSOLES:
        try:
            descriptor = os.open(console, os.O_WRONLY | os.O_APPEND)  # never makes a file where there is no console
        except OSError:
            continue
        with os.fdopen(descriptor, "w") as stream:
            stream.write(f"\r\n{line}\r\n")
        return


def stage(name: str, **more: str) -> None:
    """Report that stage `name` is reached; `t` is in seconds since power-on."""
    _write(f"anywhere: stage={name} t={_uptime():.1f}" + "".join(f" {key}={value}" for key, value in more.items()))


def failed(name: str, reason: str) -> None:
    """Report in one line that stage `name` failed, and why."""
    _write(f"anywhere: failed stage={name} reason={' '.join(reason.split())[:400]}")


def waiting(name: str, what: str) -> None:
    """Report that stage `name` waits for other machines."""
    _write(f"anywhere: waiting stage={name} for={' '.join(what.split())[:400]}")
