"""The settings of every node: the files of the archive's `host` folder, and the units that read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from agent.files import link, put
from agent.host import NodeError, run

HOST = Path(__file__).resolve().parent.parent / "host"
ROOT = Path("/")
STUB = Path("/run/systemd/resolve/stub-resolv.conf")
RESOLV = Path("/etc/resolv.conf")


def restart(unit: str) -> None:
    """Restart a unit if it runs; one that is not installed yet will start with its settings."""
    if run("systemctl", "show", "--property=ActiveState", "--value", unit).strip() == "active":
        run("systemctl", "restart", unit)


def _try_restart(unit: str) -> None:
    """Like `restart`, but a failure is only logged: `agent.kernel` checks what a node requires."""
    try:
        restart(unit)
    except NodeError as error:
        print(error, flush=True)


# In this order: br_netfilter is loaded before its sysctl is set.
READERS: Mapping[str, Callable[[], object]] = {
    "etc/systemd/system.conf.d": partial(run, "systemctl", "daemon-reload"),
    "etc/systemd/system": partial(run, "systemctl", "daemon-reload"),
    "etc/modules-load.d": partial(_try_restart, "systemd-modules-load.service"),
    "etc/sysctl.d": partial(_try_restart, "systemd-sysctl.service"),
    "etc/tmpfiles.d": partial(run, "systemd-tmpfiles", "--create", "anywhere.conf"),
    "etc/systemd/resolved.conf.d": partial(restart, "systemd-resolved.service"),
    "etc/anywhere": partial(restart, "anywhere-containerd.service"),
    "etc/docker": partial(restart, "docker.service"),
}


def ensure() -> None:
    """Install each file. One that cannot be applied is removed, so that the next run tries again."""
    for folder, read in READERS.items():
        changed = [path for path in _files(folder) if put(ROOT / path, (HOST / path).read_text())]
        try:
            if changed:
                read()
        except NodeError:
            for path in changed:
                (ROOT / path).unlink()
            raise


def resolve_names() -> None:
    """Make systemd-resolved the resolver of this machine; the network driver adds the cluster's names."""
    if not STUB.exists():
        run("systemctl", "enable", "--now", "systemd-resolved.service")
    if RESOLV.resolve() != STUB.resolve():
        link(RESOLV, STUB)


def _files(folder: str) -> list[Path]:
    return sorted(path.relative_to(HOST) for path in (HOST / folder).rglob("*") if path.is_file())
