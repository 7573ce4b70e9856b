"""Services of this machine that run from the current node archive."""

from __future__ import annotations

from pathlib import Path

from agent.files import put
from agent.host import NodeError, run

HOME = Path(__file__).resolve().parent.parent
UNITS = Path("/etc/systemd/system")


def install(name: str, **values: str) -> bool:
    """Install unit `name`, with `values` for its @NAMES@, to start at each boot; whether it changed."""
    text = (HOME / "units" / name).read_text().replace("@HOME@", str(HOME))
    for key, value in values.items():
        text = text.replace(f"@{key.upper()}@", value)
    known = (UNITS / name).exists()
    changed = put(UNITS / name, text)
    if not changed and any(UNITS.glob(f"*.wants/{name}")):
        return False
    if known:  # systemd reads a unit that is new by itself, and a reload takes seconds where the processor is emulated
        run("systemctl", "daemon-reload")
    run("systemctl", "enable", "--no-reload", name)
    return True


def ensure(name: str, **values: str) -> bool:
    """Run unit `name` as it is in the archive; restart it if it changed, and whether it did."""
    if not install(name, **values):
        return False
    try:
        run("systemctl", "restart", name)
    except NodeError:
        (UNITS / name).unlink()  # so that the next run tries again
        raise
    return True


def remove(name: str) -> None:
    """Stop unit `name` for good, if it is there."""
    if (UNITS / name).exists():
        run("systemctl", "disable", "--now", name)
        (UNITS / name).unlink()
