"""The cluster definition, as the rest of the program sees it: frozen, checked, free of YAML.

`generator.schema` reads `cluster.yaml` into these classes; nothing else makes them outside tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from generator.own_addon import OwnAddon
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

MAX_PODS = 110  # that a node runs where a definition gives no number: as kubelets have it themselves

# Of each Kubernetes minor version that is supported, oldest first, the newest patch with checked sources.
NEWEST = {"1.35": "v1.35.8", "1.36": "v1.36.5", "1.37": "v1.37.2"}
VERSION = NEWEST["1.37"]  # the one taken where a definition gives none
DRIVERS = ("weave", "flannel")
UPDATES = ("none", "security", "all")  # of a machine's own Debian
KERNELS = ("held", "moved")
ARCHITECTURES = ("amd64", "arm64")
LOCAL_OUTSIDE = IPv4Network("10.0.2.0/24")  # QEMU's user network, by which local machines reach the outside


@dataclass(frozen=True, slots=True)
class Snapshots:
    """How often etcd's data is kept, in seconds, and how many of these snapshots there are."""

    every: int = 6 * 3600
    keep: int = 28


@dataclass(frozen=True, slots=True)
class Etcd:
    """Machines of their own for etcd; `count` 0 puts etcd on the masters."""

    count: int
    size: str
    arch: str = "amd64"
    snapshots: Snapshots = Snapshots()


@dataclass(frozen=True, slots=True)
class Masters:
    """The control plane; `schedulable` masters also take ordinary pods."""

    count: int
    size: str
    schedulable: bool
    arch: str = "amd64"
    max_pods: int = MAX_PODS


@dataclass(frozen=True, slots=True)
class Pool:
    """Workers alike. `taints` are written `key=value:Effect`; the value may be empty, the = stays."""

    name: str
    count: int
    size: str
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[str, ...] = ()
    arch: str = "amd64"
    max_pods: int = MAX_PODS
    spot: bool = False
    min: int | None = None
    max: int | None = None

    @property
    def least(self) -> int:
        """How many workers there are at least; an autoscaler may leave so many."""
        return self.count if self.min is None else self.min

    @property
    def most(self) -> int:
        """How many workers there may be."""
        return self.count if self.max is None else self.max


@dataclass(frozen=True, slots=True)
class Tuning:
    """What is other of a component than anywhere has it: flags, and of the kubelet fields of its configuration."""

    flags: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)


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
class Rollout:
    """How a change reaches workers: `wave` is the part of all that change at once, `drain` in seconds."""

    wave: float = 0.2
    drain: int = 300


@dataclass(frozen=True, slots=True)
class Os:
    """The machines' own Debian: which `updates` reach those that are there, and whether their kernel is moved too."""

    updates: str = "security"
    kernel: str = "held"


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
    `addons` are those of anywhere, by name. `tunings` are by component. `authentication` has what Kubernetes calls
    JWTAuthenticator, as JSON values.
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
    authentication: tuple[Mapping[str, Any], ...] = ()
    tunings: Mapping[str, Tuning] = field(default_factory=dict)
    proxy: Proxy | None = None
    age_recipients: tuple[str, ...] = ()
    rollout: Rollout = Rollout()
    os: Os = Os()
    own_addons: tuple[OwnAddon, ...] = ()

    @property
    def architectures(self) -> tuple[str, ...]:
        """The architectures of its machines, sorted."""
        etcd = {self.etcd.arch} if self.etcd.count else set()
        return tuple(sorted({self.masters.arch, *etcd, *(pool.arch for pool in self.workers)}))
