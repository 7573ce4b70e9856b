"""Which packages machines that are there may have in an older version than Debian's archive has them."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from generator import debian
from generator.definition import Os
from generator.packages import closure
from generator.packages.apt import Apt, Package

KERNEL = "linux-image-cloud-{arch}"  # that of Debian's images for clouds, and of local machines


def choose(os: Os, arch: str, apt: Apt, work: Path) -> tuple[Package, ...]:
    """The packages of `os.updates`, sorted by name, each in the newest version that the whole archive has.

    For `security` they are those that Debian's security archive has at all: what it once mended may have moved on
    since, with a point release. `work` is a folder to look into that archive from.
    """
    if os.updates == "none":
        return ()
    found = _possible(os, arch, apt)
    if os.updates == "security":
        security = Apt(arch, work / "security", (debian.SECURITY,))
        security.update()
        mended = security.names()
        found = {name: version for name, version in found.items() if name in mended}
    return apt.describe(found) if found else ()


def _possible(os: Os, arch: str, apt: Apt) -> dict[str, str]:
    """Every package that a machine may have, of those that the archive has: name -> version."""
    known, everywhere = apt.names(), (*apt.required(), *closure.STOCK, *closure.wanted())
    found: dict[str, str] = {}
    for part in _may_have():
        found |= apt.closure(name for name in (*everywhere, *part) if name in known)
    if os.kernel == "held":
        return {name: version for name, version in found.items() if not name.startswith("linux-image-")}
    return found | apt.closure([KERNEL.format(arch=arch)])


def _may_have() -> list[list[str]]:
    """Sets of names, each of which can be installed together."""
    text = resources.files("modules").joinpath("node", "updates").read_text()
    return [[line for line in part.splitlines() if not line.startswith("#")] for part in text.split("\n\n")]
