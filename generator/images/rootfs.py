"""The small Debian root file system below hyperkube and flannel: one layer, shared by both."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from generator import command
from generator.images import layer
from generator.progress import Progress

MIRROR = "http://deb.debian.org"
SUITE = "trixie"
EPOCH = "1735689600"  # 2025-01-01: the date that dpkg's files get
# What kubelet, kube-proxy and flanneld call: mount and file system tools, packet filters, modules.
PACKAGES = (
    "ca-certificates",
    "conntrack",
    "e2fsprogs",
    "ethtool",
    "iproute2",
    "ipset",
    "iptables",
    "kmod",
    "mount",
    "nftables",
    "util-linux",
)
UNWANTED = ("bash-completion", "doc", "doc-base", "info", "lintian", "locale", "man")  # folders of /usr/share
CLEAN = 'rm -rf "$1"/var/cache/* "$1"/var/log/* "$1"/var/lib/apt/* "$1"/var/backups/* "$1"/etc/machine-id'
HINT = "Is the Debian archive reachable? ANYWHERE_DEBIAN_MIRROR names another one."


def key() -> str:
    """A digest of what the layer is made from."""
    return hashlib.sha256(repr((SUITE, EPOCH, PACKAGES, UNWANTED, CLEAN)).encode()).hexdigest()


def make(cache: Path, progress: Progress) -> Path:
    """The layer as a tar in the cache, made by mmdebstrap where it is not there yet."""
    path = cache / "layers" / f"debian-{key()[:16]}.tar"
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    progress.note("making a Debian root file system")
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        raw, done = Path(folder) / "raw.tar", Path(folder) / "layer.tar"
        command.run(
            _bootstrap(raw),
            "Making a Debian root file system",
            HINT,
            environment={**os.environ, "SOURCE_DATE_EPOCH": EPOCH},
        )
        layer.rewrite(raw, done, keep=lambda name: not name.startswith(("dev/", "proc/", "sys/", "run/")))
        done.replace(path)
    return path


def _bootstrap(tar: Path) -> list[str | Path]:
    mirror = os.environ.get("ANYWHERE_DEBIAN_MIRROR", MIRROR).rstrip("/")
    return [
        command.find("mmdebstrap"),
        "--variant=essential",
        "--architectures=amd64",
        '--aptopt=Apt::Install-Recommends "false"',
        *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in UNWANTED),
        f"--include={','.join(PACKAGES)}",
        f"--customize-hook={CLEAN}",
        SUITE,
        tar,
        f"deb {mirror}/debian {SUITE} main",
        f"deb {mirror}/debian {SUITE}-updates main",
        f"deb {mirror}/debian-security {SUITE}-security main",
    ]
