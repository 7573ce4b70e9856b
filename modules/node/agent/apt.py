"""apt, with an archive of the release as its only source, so that it asks nobody outside."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

from agent.files import publish
from agent.host import NodeError, fetch_file, run

JOURNAL = Path("/var/lib/dpkg/updates")
# They would install a newer Docker from Debian one night, and restart every container.
TIMERS = ("apt-daily.timer", "apt-daily-upgrade.timer")
LOCK_SECONDS = 900  # such a run may hold the lock when the machine boots for the first time
ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "APT_LISTCHANGES_FRONTEND": "none", "LC_ALL": "C"}
KERNELS = "linux-image-*"
# Nothing is removed for a newer version; what an interruption left without its dependencies gets them.
_UPGRADE = ("--no-install-recommends", "--fix-broken", "--with-new-pkgs", "upgrade")
_MOVES = re.compile(r"^Inst (\S+) (?:\[(\S+)\] )?\((\S+)", re.MULTILINE)
_UPGRADABLE = re.compile(r"^([^/\s]+)/\S+ (\S+) \S+ \[upgradable from: (\S+)\]", re.MULTILINE)
_FAILED = re.compile(
    r"(?:^(.*)\n)?^dpkg: error processing (?:package|archive) (\S+) \(--[\w-]+\):\n (.+)$", re.MULTILINE
)


class Source:
    """An archive that is unpacked in `folder`. `held` are patterns of the packages that stay as they are."""

    def __init__(self, folder: Path, held: tuple[str, ...] = ()) -> None:
        self.folder, self._environment = folder, {**os.environ, **ENVIRONMENT}
        (folder / "sources.list").write_text(f"deb [trusted=yes] file:{folder} ./\n")  # its checksum vouches for it
        pins = (f"Package: {name}\nPin: version *\nPin-Priority: -1\n" for name in held)
        (folder / "preferences").write_text("\n".join(pins))
        for name in ("lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def install(self) -> None:
        """Install what the archive is for, and nothing newer of what is there. Configuration files stay as they are."""
        names = (self.folder / "install").read_text().split()
        self.configure()
        self._apt("update")
        self._apt("--yes", "--no-install-recommends", "--no-upgrade", "install", *names)

    def configure(self) -> None:
        """Go on where dpkg was cut off. What fails again is left to apt, which may have a newer version of it."""
        if any(JOURNAL.iterdir()) or run("dpkg", "--audit", env=self._environment):
            words = ["dpkg", "--force-confold", "--configure", "--pending"]
            subprocess.run(words, env=self._environment, capture_output=True, check=False)

    def moves(self) -> dict[str, str]:
        """The packages of this machine that the archive has newer, and what these take: name -> version."""
        self._apt("update")
        found = _MOVES.findall(self._apt("--simulate", *_UPGRADE))
        return {name: new for name, old, new in found if new != old}

    def upgrade(self) -> None:
        """Install what `moves` says; NodeError names the package that fails."""
        run("systemctl", "mask", "--now", *TIMERS)
        self._apt("--yes", *_UPGRADE)

    def kept_back(self) -> list[str]:
        """The packages that stay older than in the archive, since others would have to go for them."""
        listed = run("apt", *self._options(), "list", "--upgradable", env=self._environment)
        return sorted(name for name, new, old in _UPGRADABLE.findall(listed) if new != old)

    def _apt(self, *words: str) -> str:
        """Run apt-get; NodeError with the package that dpkg failed for and what that last said, or with apt's word."""
        command = ["apt-get", "-qq", *self._options(), *words]
        done = subprocess.run(
            command, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        said = done.stdout.decode(errors="replace")
        if done.returncode:
            raise NodeError(failure(said) or f"apt-get {words[-1]}: exit {done.returncode}: {said.strip()[-300:]}")
        return said

    def _options(self) -> list[str]:
        settings: Mapping[str, str] = {
            "Dir::Etc::sourcelist": f"{self.folder}/sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferences": f"{self.folder}/preferences",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::State::lists": f"{self.folder}/lists",
            "Dir::Cache": f"{self.folder}/cache",
            "Acquire::Languages": "none",
            "APT::Sandbox::User": "root",
            "DPkg::Lock::Timeout": str(LOCK_SECONDS),
            "DPkg::Options::": "--force-confold",
            "Dpkg::Use-Pty": "0",
        }
        return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def failure(said: str) -> str:
    """`openssl: installed openssl package ... exit status 1: the script's last line`; "" where dpkg did not fail."""
    found = _FAILED.search(said)
    if found is None:
        return ""
    last, package, reason = found.groups()
    name = package.rpartition("/")[2].partition("_")[0].partition(":")[0]
    return f"{name}: {reason.strip()}{f': {last.strip()}' if last else ''}"


def fetch(archive: str, folder: Path) -> Path:
    """Fetch and unpack an archive of the release, by its SHA-256, below `folder`; where it is then."""
    unpacked, unfinished = folder / archive, folder / "unfinished"
    if unpacked.is_dir():
        return unpacked
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tar = folder / "archive.tar"
    fetch_file(f"packages/{archive}.tar", tar)
    with tar.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != archive:
            raise NodeError(f"the archive of packages is not {archive}")
    with tarfile.open(tar) as opened:
        opened.extractall(unfinished, filter="data")
    tar.unlink()
    publish(unfinished, unpacked)
    return unpacked
