"""The cluster definition, as the rest of the program sees it: frozen, checked, free of YAML.

`generator.schema` reads `cluster.yaml` into these classes; nothing else makes them outside tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Size:
    """What a portable size name means, at least: `memory` in MiB, `disk` in GiB."""

    cpus: int
    memory: int
    disk: int


SIZES: Mapping[str, Size] = {
    "tiny": Size(1, 1024, 10),
    "small": Size(2, 2048, 20),
    "medium": Size(2, 4096, 30),
    "large": Size(4, 8192, 50),
    "xlarge": Size(8, 16384, 100),
}

MINORS = ("1.34", "1.35")  # the Kubernetes minor versions that are supported, oldest first
VERSION = "v1.35.4"  # the one taken where a definition gives none
ADDONS = ("dns",)
DRIVERS = ("weave", "flannel")


@dataclass(frozen=True, slots=True)
class Etcd:
    """Machines of their own for etcd; `count` 0 puts etcd on the masters."""

    count: int
    size: str


@dataclass(frozen=True, slots=True)
class Masters:
    """The control plane; `schedulable` masters also take ordinary pods."""

    count: int
    size: str
    schedulable: bool


@dataclass(frozen=True, slots=True)
class Pool:
    """Workers alike. `taints` are written `key=value:Effect`; the value may be empty, the = stays."""

    name: str
    count: int
    size: str
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[str, ...] = ()
    arch: str = "amd64"
    spot: bool = False
    min: int | None = None
    max: int | None = None


@dataclass(frozen=True, slots=True)
class Network:
    """`driver` None lets the lock decide. The three ranges never overlap.

    `encryption` off is for networks that are private already.
    """

    driver: str | None
    machines: IPv4Network
    pods: IPv4Network
    services: IPv4Network
    encryption: bool = True


@dataclass(frozen=True, slots=True)
class Definition:
    """One cluster. `providers` holds only what cannot be portable, by provider name."""

    path: Path
    name: str
    kubernetes: str
    etcd: Etcd
    masters: Masters
    workers: tuple[Pool, ...]
    network: Network
    registry: str | None
    addons: tuple[str, ...]
    ssh_keys: tuple[str, ...]
    providers: Mapping[str, Mapping[str, Any]]
