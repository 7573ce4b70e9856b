"""Stage marks on the serial console: how the outside sees where a machine stands."""

from __future__ import annotations

from pathlib import Path

CONSOLES = (Path("/dev/ttyS0"), Path("/dev/console"))


def _uptime() -> float:
    return float(Path("/proc/uptime").read_text().split()[0])


def _write(line: str) -> None:
    print(line, flush=True)  # the journal keeps it too
    for console in CONSOLES:
        try:
            console.write_text(f"\r\n{line}\r\n")
            return
        except OSError:
            continue


def stage(name: str, **more: str) -> None:
    """Say that stage `name` is reached; `t` is in seconds since power-on."""
    _write(f"anywhere: stage={name} t={_uptime():.1f}" + "".join(f" {key}={value}" for key, value in more.items()))


def failed(name: str, reason: str) -> None:
    """Say that stage `name` failed, and why, in one line."""
    _write(f"anywhere: failed stage={name} reason={' '.join(reason.split())[:400]}")
