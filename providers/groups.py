"""Groups of machines alike, and the type that a cloud calls each by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from generator.definition import Definition
from generator.sections import Types


@dataclass(frozen=True, slots=True)
class Group:
    """Machines alike: `name` is etcd, master or worker-POOL; `type` is the cloud's word for size and architecture."""

    name: str
    count: int
    size: str
    arch: str
    spot: bool
    type: str

    @property
    def pool(self) -> str:
        """The worker pool that it is, "" for etcd machines and masters."""
        return self.name.partition("-")[2]


def groups(definition: Definition, usual: Types, own: Types) -> tuple[Group, ...]:
    """Every group of the cluster that may have machines; types are the definition's `own`, else the `usual`."""

    def group(name: str, count: int, size: str, arch: str, spot: bool = False) -> Group:
        return Group(name, count, size, arch, spot, own.get(size, {}).get(arch) or usual[size][arch])

    def found() -> Iterator[Group]:
        etcd, masters = definition.etcd, definition.masters
        if etcd.count:
            yield group("etcd", etcd.count, etcd.size, etcd.arch)
        yield group("master", masters.count, masters.size, masters.arch)
        for pool in definition.workers:
            yield group(f"worker-{pool.name}", pool.count, pool.size, pool.arch, pool.spot)

    return tuple(found())


def types(found: tuple[Group, ...]) -> dict[str, str]:
    """`SIZE-ARCH` -> type."""
    return {f"{group.size}-{group.arch}": group.type for group in sorted(found, key=lambda group: group.name)}
