"""Portable sizes as machine types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from generator.definition import Definition
from providers.gce import section

# Each has at least what its size promises; of e2's shared cores, two threads at half speed count as one.
TYPES: Mapping[str, Mapping[str, str]] = {
    "tiny": {"amd64": "e2-small", "arm64": "c4a-standard-1"},
    "small": {"amd64": "e2-medium", "arm64": "c4a-standard-2"},
    "medium": {"amd64": "e2-standard-2", "arm64": "c4a-standard-2"},
    "large": {"amd64": "e2-standard-4", "arm64": "c4a-standard-4"},
    "xlarge": {"amd64": "e2-standard-8", "arm64": "c4a-standard-8"},
}


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
    """`SIZE-ARCH` -> machine type, for the machines that the cluster has."""
    return {f"{group.size}-{group.arch}": group.type for group in sorted(groups(definition), key=lambda g: g.name)}


def machine_type(definition: Definition, size: str, arch: str) -> str:
    """What a machine of `size` and `arch` is, by the definition's own word or the table's."""
    own: Mapping[str, str] = section.of(definition).get("sizes", {}).get(size, {})
    return own.get(arch) or TYPES[size][arch]


def _groups(definition: Definition) -> Iterator[Group]:
    def group(name: str, count: int, size: str, arch: str, spot: bool) -> Group:
        return Group(name, count, size, arch, spot, machine_type(definition, size, arch))

    etcd, masters = definition.etcd, definition.masters
    if etcd.count:
        yield group("etcd", etcd.count, etcd.size, etcd.arch, False)
    yield group("master", masters.count, masters.size, masters.arch, False)
    for pool in definition.workers:
        yield group(f"worker-{pool.name}", pool.count, pool.size, pool.arch, pool.spot)
