"""Which packages a node needs beyond those that every stock Debian 13 cloud image has."""

from __future__ import annotations

from importlib import resources

from generator.packages.apt import Apt, Package

# Beside what is required of any Debian: those of Debian's own images for all clouds that the cluster cannot do without.
STOCK = (
    "apt",
    "dbus",
    "e2fsprogs",
    "init",
    "iproute2",
    "kmod",
    "netbase",
    "openssh-server",
    "python3",
    "sudo",
    "systemd-resolved",
    "systemd-sysv",
    "udev",
)


def wanted() -> list[str]:
    """What a node needs, by name."""
    text = resources.files("modules").joinpath("node", "packages").read_text()
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def missing(apt: Apt) -> tuple[Package, ...]:
    """What a stock image lacks of `wanted` and all that it takes, sorted by name.

    A stock image may be older than the archive. Packages that are tied to one version of another are built from the
    same source, so what stock images have is left out only where nothing of its source is brought.
    """
    needed = {package.name: package for package in apt.describe(apt.closure(wanted()))}
    stock = apt.closure([*apt.required(), *STOCK])
    sources = {package.source for name, package in needed.items() if name not in stock}
    return tuple(package for name, package in needed.items() if name not in stock or package.source in sources)
