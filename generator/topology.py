"""From a definition to named, addressed machines. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from generator.definition import Definition, Size


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine. `role` is etcd, master or worker; `components` are what it runs, in start order."""

    name: str
    role: str
    pool: str
    size: Size
    address: str
    labels: Mapping[str, str]
    taints: tuple[str, ...]
    components: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Topology:
    """Every machine of a cluster, etcd first, then masters, then workers."""

    machines: tuple[Machine, ...]

    def having(self, component: str) -> tuple[Machine, ...]:
        """The machines that run `component`."""
        return tuple(m for m in self.machines if component in m.components)

    @property
    def peers(self) -> tuple[str, ...]:
        """The fixed addresses that every machine's network dials: those of etcd and masters."""
        return tuple(m.address for m in self.machines if m.role != "worker")


def lay_out(definition: Definition, blocks: Mapping[str, int]) -> Topology:
    """Name and address every machine; `blocks` (pool name -> address block) comes from the lock."""
    raise NotImplementedError
