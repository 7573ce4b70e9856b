"""Portable sizes as instance types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from generator.definition import Definition
from providers.aws import section

# Burstable types: no others are offered in nearly every zone. Each has at least what its size promises.
TYPES: Mapping[str, Mapping[str, str]] = {
    "tiny": {"amd64": "t3.micro", "arm64": "t4g.micro"},
    "small": {"amd64": "t3.small", "arm64": "t4g.small"},
    "medium": {"amd64": "t3.medium", "arm64": "t4g.medium"},
    "large": {"amd64": "t3.xlarge", "arm64": "t4g.xlarge"},
    "xlarge": {"amd64": "t3.2xlarge", "arm64": "t4g.2xlarge"},
}
ARCHITECTURES = {"amd64": "x86_64", "arm64": "arm64"}  # as AWS names them


@dataclass(frozen=True, slots=True)
class Group:
    """Machines alike: `name` is etcd, master or worker-POOL."""

    name: str
    count: int
    size: str
    arch: str
    spot: bool
    type: str


def groups(definition: Definition) -> tuple[Group, ...]:
    """Every group of the cluster that may have machines."""
    return tuple(_groups(definition))


def types(definition: Definition) -> dict[str, str]:
    """`SIZE-ARCH` -> instance type, for the machines that the cluster has."""
    return {f"{group.size}-{group.arch}": group.type for group in sorted(groups(definition), key=lambda g: g.name)}


def instance_type(definition: Definition, size: str, arch: str) -> str:
    """What a machine of `size` and `arch` is, by the definition's own word or the table's."""
    own: Mapping[str, str] = section.of(definition).get("sizes", {}).get(size, {})
    return own.get(arch) or TYPES[size][arch]


def _groups(definition: Definition) -> Iterator[Group]:
    def group(name: str, count: int, size: str, arch: str, spot: bool) -> Group:
        return Group(name, count, size, arch, spot, instance_type(definition, size, arch))

    etcd, masters = definition.etcd, definition.masters
    if etcd.count:
        yield group("etcd", etcd.count, etcd.size, etcd.arch, False)
    yield group("master", masters.count, masters.size, masters.arch, False)
    for pool in definition.workers:
        yield group(f"worker-{pool.name}", pool.count, pool.size, pool.arch, pool.spot)
