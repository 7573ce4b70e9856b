"""`cluster.lock.yaml`: the only source of digests, checksums, base images and cloud facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Image:
    """A container image, pinned.

    `ref` is the name containers are started by; `id` is the digest of the image configuration, as Docker
    shows it (`sha256:...`); `archive` is the SHA-256 of its docker-archive tar, in hex, which is also its
    file name in the image cache; `size` is that archive's, in bytes; `source` says where it was had
    (`folder`, `registry`, `release`, `build`).
    """

    name: str
    ref: str
    id: str
    archive: str
    size: int
    source: str


@dataclass(frozen=True, slots=True)
class Base:
    """The machine image of local VMs: `sha256` of the qcow2 file, `source` is `debian-archive` or `cloud-image`."""

    source: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Lock:
    """What a cluster is made of. `blocks` gives each worker pool its block of addresses, for ever."""

    kubernetes: str
    driver: str
    images: Mapping[str, Image]
    base: Base | None
    blocks: Mapping[str, int]
    facts: Mapping[str, Mapping[str, Any]]


def path_beside(definition: Path) -> Path:
    """`cluster.yaml` -> `cluster.lock.yaml`, in the same folder."""
    return definition.with_suffix(".lock.yaml")


def read(path: Path) -> Lock:
    """Read a lock; UserError where it is absent, InvalidFile where it is damaged."""
    raise NotImplementedError


def write(path: Path, lock: Lock) -> None:
    """Write it atomically, sorted, so that a diff shows only what changed."""
    raise NotImplementedError
