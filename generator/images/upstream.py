"""hyperkube from the official release binaries, each verified against the checksum published beside it."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from generator import debian, download
from generator.errors import UserError
from generator.images import archive, layer, rootfs
from generator.images.build import labelled
from generator.images.catalog import Wanted
from generator.images.recipe import BIN, HYPERKUBE, ROLES
from generator.progress import Progress

SITE = "https://dl.k8s.io/release"
HINT = "Let ANYWHERE_RELEASES name a mirror of the Kubernetes release site that this machine reaches."
DISPATCH = b"""#!/bin/sh
# hyperkube ROLE [FLAGS]: what the one-binary hyperkube does, over the release's own binaries.
case "${1:-}" in
kube-apiserver | kube-controller-manager | kube-proxy | kube-scheduler | kubelet | kubectl) exec "$@" ;;
esac
echo "usage: hyperkube ROLE [FLAGS]" >&2
exit 2
"""


def site() -> str:
    """`ANYWHERE_RELEASES`, else the Kubernetes release site."""
    return (os.environ.get("ANYWHERE_RELEASES") or SITE).rstrip("/")


def key(version: str, arch: str) -> str:
    """A digest of what the image of `version` (`v1.35.4`) is made from: a version's binaries never change."""
    return hashlib.sha256(repr((version, ROLES, DISPATCH, HYPERKUBE, rootfs.key(arch))).encode()).hexdigest()


def make(wanted: Wanted, path: Path, cache: Path, progress: Progress, base: str | None = None) -> None:
    """Write the hyperkube image to `path`, of the binaries at `base` (default: `site()`).

    download.Unreachable where the site cannot be reached, UserError where a checksum differs.
    """
    version = wanted.ref.rpartition(":")[2]
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".release-") as work:
        binaries = _fetch(f"{base or site()}/{version}/bin/linux/{wanted.arch}", Path(work), progress)
        entries = {f"{BIN}/{role}": layer.File(file) for role, file in binaries.items()}
        top = Path(work) / "layer.tar"
        layer.write(top, {**entries, f"{BIN}/hyperkube": layer.File(DISPATCH)})
        layers = [rootfs.make(wanted.arch, cache, progress), top]
        config = labelled(HYPERKUBE, "release", key(version, wanted.arch))
        archive.write(path, wanted.ref, layers, config, wanted.arch)


def has(wanted: Wanted) -> bool:
    """Whether the site answers and has the binaries of that version, and their root file system can be made."""
    try:
        debian.check()
        return bool(_checksum(f"{site()}/{wanted.ref.rpartition(':')[2]}/bin/linux/{wanted.arch}/kubelet.sha256"))
    except UserError:
        return False


def _fetch(url: str, folder: Path, progress: Progress) -> dict[str, Path]:
    """The binary of each role, downloaded to `folder`; every checksum is there before the first of them."""
    checksums = {role: _checksum(f"{url}/{role}.sha256") for role in ROLES}
    binaries = {}
    for role, checksum in checksums.items():
        binaries[role] = folder / role
        download.file(f"{url}/{role}", binaries[role], checksum, HINT, progress)
    return binaries


def _checksum(url: str) -> str:
    words = download.text(url, HINT).split()
    if not words or len(words[0]) != 64 or not set(words[0]) <= set("0123456789abcdef"):
        raise UserError(f"{url} holds no SHA-256.", HINT)
    return words[0]
