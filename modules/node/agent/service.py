"""Services of this machine that run out of the node archive in use."""

from __future__ import annotations

from pathlib import Path

from agent.files import put
from agent.host import NodeError, run

HOME = Path(__file__).resolve().parent.parent
UNITS = Path("/etc/systemd/system")


def install(name: str, **values: str) -> bool:
    """Have unit `name`, with `values` for its @NAMES@, start at each boot; whether it changed."""
    text = (HOME / "units" / name).read_text().replace("@HOME@", str(HOME))
    for key, value in values.items():
        text = text.replace(f"@{key.upper()}@", value)
    changed = put(UNITS / name, text)
    if not changed and any(UNITS.glob(f"*.wants/{name}")):
        return False
    run("systemctl", "daemon-reload")
    run("systemctl", "enable", name)
    return True


def ensure(name: str, **values: str) -> None:
    """Have unit `name` run as it is in the archive; one that changed is restarted."""
    if install(name, **values):
        try:
            run("systemctl", "restart", name)
        except NodeError:
            (UNITS / name).unlink()  # so that the next run tries again
            raise
