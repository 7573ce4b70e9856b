"""Packages: install once what a stock Debian lacks, from the release's own archive and from nowhere else."""

from __future__ import annotations

import shutil

from agent import apt
from agent.host import STATE, NodeError, run

FOLDER = STATE / "packages"  # there only while an installation is under way
COMMANDS = (
    "conntrack",
    "containerd",
    "ctr",
    "curl",
    "docker",
    "dockerd",
    "ethtool",
    "ipset",
    "iptables",
    "nft",
    "openssl",
)


def missing() -> list[str]:
    """The commands that this machine lacks."""
    return [command for command in COMMANDS if shutil.which(command) is None]


def ensure(archive: str | None) -> None:
    """Install from `archive` (its SHA-256) if a command is missing, or if an installation was interrupted."""
    lacks = missing()
    if not lacks and not FOLDER.exists():
        return
    if archive is None:
        raise NodeError(f"this machine has no {lacks[0]}, and its release has no packages")
    run("systemctl", "mask", "--now", *apt.TIMERS)
    apt.Source(apt.fetch(archive, FOLDER)).install()
    if lacks := missing():
        raise NodeError(f"the packages of the release did not install {', '.join(lacks)}")
    shutil.rmtree(FOLDER)
