"""apt with folders of its own: it resolves and downloads for any architecture, verified, and changes nothing here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from generator import debian
from generator.command import find, run
from generator.debian import HINT
from generator.errors import UserError
from generator.files import sha256

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_INSTALLS = re.compile(r"^Inst (\S+) \((\S+) ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Package:
    """A package of the archive. `fields` is its entry in Debian's index, `size` is in bytes."""

    fields: Mapping[str, str]

    @property
    def name(self) -> str:
        return self.fields["Package"]

    @property
    def source(self) -> str:
        return self.fields.get("Source", self.name).split()[0]

    @property
    def sha256(self) -> str:
        return self.fields["SHA256"]

    @property
    def size(self) -> int:
        return int(self.fields["Size"])

    @property
    def required(self) -> bool:
        """Whether every Debian has it."""
        return self.fields.get("Essential") == "yes" or self.fields.get("Priority") == "required"


class Apt:
    """The archive of Debian 13 for one architecture, as apt sees it. `folder` is made, and holds all that apt keeps.

    `suites` are those of `debian.SUITES` that it has.
    """

    def __init__(self, arch: str, folder: Path, suites: Sequence[debian.Suite] = debian.SUITES) -> None:
        if not shutil.which("apt-get"):
            raise UserError(
                "Packages for nodes cannot be downloaded: apt is not installed.",
                "Run `anywhere images lock` on Debian or Ubuntu, and copy the archive from its cache: packages/*.tar.",
            )
        self._folder = folder
        for name in ("lists/partial", "cache/archives/partial", "etc/apt.conf.d", "etc/preferences.d", "debs"):
            (folder / name).mkdir(parents=True)
        (folder / "status").touch()
        (folder / "sources.list").write_text("".join(f"{line}\n" for line in debian.sources(f"[{_trust()}] ", suites)))
        configuration = folder / "apt.conf"
        configuration.write_text(_configuration(arch, folder))
        self._environment = {**os.environ, "APT_CONFIG": str(configuration), "LC_ALL": "C"}

    def update(self) -> None:
        """Read the archive's lists; their signatures are checked."""
        self._run("Reading Debian's package lists", "apt-get", "-qq", "-o", "APT::Update::Error-Mode=any", "update")

    def required(self) -> list[str]:
        """The names of the packages that no Debian is without."""
        return sorted(
            p.name for p in _parse(self._run("Reading Debian's package lists", "apt-cache", "dumpavail")) if p.required
        )

    def names(self) -> frozenset[str]:
        """The names of all packages."""
        return frozenset(self._run("Reading Debian's package lists", "apt-cache", "pkgnames").split())

    def closure(self, names: Iterable[str]) -> dict[str, str]:
        """The packages that installing `names` on nothing at all takes, without recommended ones: name -> version."""
        asked = ("apt-get", "-qq", "--simulate", "--no-install-recommends", "install", *names)
        return dict(_INSTALLS.findall(self._run("Resolving the packages of nodes", *asked)))

    def describe(self, versions: Mapping[str, str]) -> tuple[Package, ...]:
        """The packages of these names and versions, sorted by name."""
        asked = [f"{name}={version}" for name, version in versions.items()]
        text = self._run("Reading Debian's package lists", "apt-cache", "show", *asked)
        by_name = {package.name: package for package in _parse(text)}
        return tuple(by_name[name] for name in sorted(versions))

    def download(self, packages: Sequence[Package]) -> dict[str, Path]:
        """Their files, by SHA-256. apt has checked each by the signed lists, and here it is checked again."""
        asked = [f"{package.name}={package.fields['Version']}" for package in packages]
        if not asked:
            return {}
        self._run(
            "Downloading the packages of nodes", "apt-get", "-qq", "download", *asked, folder=self._folder / "debs"
        )
        files = {sha256(path): path for path in (self._folder / "debs").glob("*.deb")}
        if absent := [package.name for package in packages if package.sha256 not in files]:
            raise UserError(f"What was downloaded is not what Debian's lists say: {', '.join(absent)}.", HINT)
        return files

    def _run(self, title: str, *command: str, folder: Path | None = None) -> str:
        return run(command, title, HINT, environment=self._environment, folder=folder)


def _trust() -> str:
    if not KEYRING.is_file():
        raise UserError(
            f"Debian's archive cannot be verified: there is no {KEYRING}.",
            "Install it: apt-get install debian-archive-keyring.",
        )
    return f"signed-by={KEYRING}"


def _configuration(arch: str, folder: Path) -> str:
    """Nothing of this host's apt is used but how it reaches the network."""
    settings = {
        "APT::Architecture": arch,
        "APT::Architectures::": arch,
        "APT::Sandbox::User": "root",  # the folder is open to nobody else
        "Acquire::Languages": "none",
        "Dir::Etc": folder / "etc",
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State": folder,
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
    }
    if bundle := os.environ.get("SSL_CERT_FILE"):
        settings["Acquire::https::CaInfo"] = bundle  # apt itself looks for it only from Debian 13 on
    asked = [find("apt-config"), "dump"]
    own = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.splitlines()
    network = [line for line in own if line.startswith("Acquire::http")]
    return "\n".join([*network, *(f'{name} "{value}";' for name, value in settings.items())]) + "\n"


def _parse(text: str) -> Iterator[Package]:
    """The entries of an index; lines that go on from the one before are left out."""
    for entry in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in entry.splitlines() if ": " in line and not line[0].isspace())
        if "Package" in fields:
            yield Package(fields)
