"""The cluster definition, as the rest of the program sees it: frozen, checked, free of YAML.

`generator.schema` reads `cluster.yaml` into these classes; nothing else makes them outside tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path

from generator.sections import Sections


@dataclass(frozen=True, slots=True)
class Size:
    """What a portable size name means, at least: `memory` in MiB, `disk` in GiB."""

    name: str
    cpus: int
    memory: int
    disk: int


SIZES: Mapping[str, Size] = {
    size.name: size
    for size in (
        Size("tiny", 1, 1024, 10),
        Size("small", 2, 2048, 20),
        Size("medium", 2, 4096, 30),
        Size("large", 4, 8192, 50),
        Size("xlarge", 8, 16384, 100),
    )
}

ETCD_DISK = 8  # GiB of the disk that a member's data has of its own, where a target does not ask for more

MINORS = ("1.34", "1.35")  # the Kubernetes minor versions that are supported, oldest first
VERSION = "v1.35.4"  # the one taken where a definition gives none
ADDONS = ("dns",)
DRIVERS = ("weave", "flannel")
ARCHITECTURES = ("amd64", "arm64")
LOCAL_OUTSIDE = IPv4Network("10.0.2.0/24")  # QEMU's user network, by which local machines reach the outside


@dataclass(frozen=True, slots=True)
class Etcd:
    """Machines of their own for etcd; `count` 0 puts etcd on the masters."""

    count: int
    size: str
    arch: str = "amd64"


@dataclass(frozen=True, slots=True)
class Masters:
    """The control plane; `schedulable` masters also take ordinary pods."""

    count: int
    size: str
    schedulable: bool
    arch: str = "amd64"


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

    def overlapping(self, used: IPv4Network) -> tuple[str, ...]:
        """Which of the ranges have addresses of `used`."""
        ranges = {"machines": self.machines, "pods": self.pods, "services": self.services}
        return tuple(name for name, found in ranges.items() if found.overlaps(used))


@dataclass(frozen=True, slots=True)
class Proxy:
    """How machines reach the outside: the URLs for either scheme, "" for none, and what is reached without."""

    http: str
    https: str
    no_proxy: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Registry:
    """Where machines pull every image: `mirror` is `host[:port][/path]`, `ca` PEM of the authorities it is trusted by.

    "" trusts those of the system. `login` says that it asks for one; see `generator.registry_login`.
    """

    mirror: str
    ca: str = ""
    login: bool = False

    @property
    def host(self) -> str:
        return self.mirror.partition("/")[0]

    def mirrored(self, ref: str) -> str:
        """What `ref` is called there."""
        return f"{self.mirror}/{ref.partition('/')[2]}"


@dataclass(frozen=True, slots=True)
class Definition:
    """One cluster. `providers` holds only what cannot be portable.

    `api_names` are names and addresses that the API's certificate is good for, beside those that every cluster has.
    """

    path: Path
    name: str
    kubernetes: str
    etcd: Etcd
    masters: Masters
    workers: tuple[Pool, ...]
    network: Network
    registry: Registry | None
    addons: tuple[str, ...]
    ssh_keys: tuple[str, ...]
    providers: Sections
    api_names: tuple[str, ...] = ()
    proxy: Proxy | None = None
    age_recipients: tuple[str, ...] = ()

    @property
    def architectures(self) -> tuple[str, ...]:
        """The architectures of its machines, sorted."""
        etcd = {self.etcd.arch} if self.etcd.count else set()
        return tuple(sorted({self.masters.arch, *etcd, *(pool.arch for pool in self.workers)}))
