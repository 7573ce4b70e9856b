"""Packages: install once what a stock Debian lacks, from the release's own archive and from nowhere else."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from pathlib import Path

from agent.files import publish
from agent.host import STATE, NodeError, fetch_file, run

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
JOURNAL = Path("/var/lib/dpkg/updates")
# They would install a newer Docker from Debian one night, and restart every container.
TIMERS = ("apt-daily.timer", "apt-daily-upgrade.timer")
LOCK_SECONDS = 900  # such a run may hold the lock when the machine boots for the first time
ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "APT_LISTCHANGES_FRONTEND": "none", "LC_ALL": "C"}


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
    run("systemctl", "mask", "--now", *TIMERS)
    _install(_fetch(archive))
    if lacks := missing():
        raise NodeError(f"the packages of the release did not install {', '.join(lacks)}")
    shutil.rmtree(FOLDER)


def _fetch(archive: str) -> Path:
    """Fetch and unpack the archive; the folder of its content."""
    source, unfinished = FOLDER / archive, FOLDER / "unfinished"
    if source.is_dir():
        return source
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    tar = FOLDER / "archive.tar"
    fetch_file(f"packages/{archive}.tar", tar)
    with tar.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != archive:
            raise NodeError(f"the archive of packages is not {archive}")
    with tarfile.open(tar) as opened:
        opened.extractall(unfinished, filter="data")
    tar.unlink()
    publish(unfinished, source)
    return source


def _install(source: Path) -> None:
    """Install with apt from the archive alone. Existing configuration files stay as they are."""
    environment = {**os.environ, **ENVIRONMENT}
    (source / "sources.list").write_text(f"deb [trusted=yes] file:{source} ./\n")  # its checksum vouches for it
    for folder in ("lists/partial", "cache/archives/partial"):
        (source / folder).mkdir(parents=True, exist_ok=True)
    options = {
        "Dir::Etc::sourcelist": f"{source}/sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": f"{source}/lists",
        "Dir::Cache": f"{source}/cache",
        "Acquire::Languages": "none",
        "APT::Sandbox::User": "root",
        "DPkg::Lock::Timeout": str(LOCK_SECONDS),
        "DPkg::Options::": "--force-confold",
        "Dpkg::Use-Pty": "0",
    }
    apt = ["apt-get", "-qq", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]
    names = (source / "install").read_text().split()
    if any(JOURNAL.iterdir()):
        run("dpkg", "--force-confold", "--configure", "-a", env=environment)
    run(*apt, "update", env=environment)
    run(*apt, "--yes", "--no-install-recommends", "--no-upgrade", "install", *names, env=environment)
