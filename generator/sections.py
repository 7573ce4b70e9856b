"""What `providers` says of each target, as adapters see it: frozen, checked, complete.

`generator.schema` reads `cluster.yaml` into these classes and decides every default; None means that nothing was said.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network

LOCAL = "local"
Types = Mapping[str, Mapping[str, str]]  # size -> architecture -> the cloud's machine type


@dataclass(frozen=True, slots=True)
class Local:
    """Machines on this computer; `machines` is vm, container or auto, `accel` is auto, kvm or tcg."""

    machines: str
    egress: bool
    host_loopback: bool
    accel: str


@dataclass(frozen=True, slots=True)
class S3:
    """The bucket that Terraform keeps its state in; None is the cluster's own key or region."""

    bucket: str
    key: str | None
    region: str | None


@dataclass(frozen=True, slots=True)
class Vpc:
    """A network that is there already, by the ids of its parts."""

    id: str
    subnets: tuple[str, ...]
    public_subnets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Aws:
    """`images` maps architectures to AMIs; `nat` is none, one or zone; no `zones` leaves the choice to the lock."""

    region: str
    account: str | None
    admin_cidrs: tuple[IPv4Network, ...]
    zones: tuple[str, ...]
    sizes: Types
    nat: str
    load_balancer: bool | None
    vpc: Vpc | None
    images: Mapping[str, str]
    tags: Mapping[str, str]
    backend: S3 | None


@dataclass(frozen=True, slots=True)
class Gcs:
    """The bucket that Terraform keeps its state in; None is the cluster's name as prefix."""

    bucket: str
    prefix: str | None


@dataclass(frozen=True, slots=True)
class GceNetwork:
    """A network that is there already; `project` is the one that owns it, which may share it with others."""

    name: str
    subnetwork: str
    project: str


@dataclass(frozen=True, slots=True)
class Gce:
    """`images` maps architectures to images; `nat` is none or one; no `zones` leaves the choice to the lock."""

    project: str
    project_number: str | None
    region: str
    admin_cidrs: tuple[IPv4Network, ...]
    zones: tuple[str, ...]
    sizes: Types
    nat: str
    load_balancer: bool | None
    network: GceNetwork | None
    images: Mapping[str, str]
    labels: Mapping[str, str]
    kms_key: str | None
    backend: Gcs | None


Cloud = Aws | Gce


@dataclass(frozen=True, slots=True)
class Sections:
    """The sections of a definition; a cloud that it does not name is None, and `named` are the targets that it does."""

    local: Local
    aws: Aws | None
    gce: Gce | None
    named: tuple[str, ...] = ()


def default_target(named: Collection[str]) -> str:
    """The target where nobody chose one: local, or the only one that has a section; "" where several clouds have."""
    if not named or LOCAL in named:
        return LOCAL
    return next(iter(named)) if len(named) == 1 else ""
