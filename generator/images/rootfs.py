"""The small Debian root file system below hyperkube and flannel: one layer of an architecture, shared by both.

amd64's is installed, packages' own scripts and all, which takes a computer that runs its programs. Any other's is
only unpacked, and settled by a script of ours, on every computer alike: it needs no emulator, and a lock made on one
machine holds on the next.
"""

from __future__ import annotations

import hashlib
import platform
import tempfile
from pathlib import Path

from generator import debian
from generator.debian import HINT, SUITE
from generator.images import layer
from generator.images.catalog import titled
from generator.progress import Progress

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
SETTLE = Path(__file__).resolve().parents[2] / "modules" / "images" / "debian" / "settle"
VOLATILE = ("dev/", "proc/", "sys/", "run/")
HOST = ("etc/hostname", "etc/resolv.conf", "etc/apt/sources.list")  # mmdebstrap has them of this computer


def key(arch: str) -> str:
    """A digest of what the layer is made from."""
    made = (SUITE, EPOCH, PACKAGES, UNWANTED, CLEAN)
    described = repr(made if arch == "amd64" else (*made, arch, SETTLE.read_text()))
    return hashlib.sha256(described.encode()).hexdigest()


def make(arch: str, cache: Path, progress: Progress) -> Path:
    """The layer of `arch` as a tar in the cache, made by mmdebstrap where it is not there yet."""
    path = cache / "layers" / f"debian-{key(arch)[:16]}.tar"
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    progress.note(titled("making a Debian root file system", arch))
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        raw, done = Path(folder) / "raw.tar", Path(folder) / "layer.tar"
        debian.bootstrap(
            [*_bootstrap(arch), SUITE, raw, *debian.sources()],
            titled("Making a Debian root file system", arch),
            _hint(arch),
            EPOCH,
        )
        layer.rewrite(raw, done, keep=lambda name: not name.startswith(VOLATILE) and name not in HOST)
        done.replace(path)
    return path


def _hint(arch: str) -> str:
    if arch != "amd64" or platform.machine() == "x86_64":
        return HINT
    return f"{HINT} Does this computer run programs of amd64 (apt-get install qemu-user-binfmt)?"


def _bootstrap(arch: str) -> list[str]:
    """mmdebstrap and its options; the suite, the tar and the sources follow."""
    return [
        *debian.mmdebstrap(),
        f"--architectures={arch}",
        '--aptopt=Apt::Install-Recommends "false"',
        *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in UNWANTED),
        *(INSTALLED if arch == "amd64" else UNPACKED),
        f"--include={','.join(PACKAGES)}",
    ]


INSTALLED = ("--variant=essential", f"--customize-hook={CLEAN}")
UNPACKED = ("--variant=extract", "--include=?essential", f"--extract-hook={SETTLE}", f"--extract-hook={CLEAN}")
