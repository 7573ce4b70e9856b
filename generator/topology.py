"""From a definition to named, addressed machines. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, count

from generator.definition import SIZES, Definition, Pool, Size
from generator.errors import UserError

ETCD_OFFSET = 10
MASTER_OFFSET = 256
BLOCK = 1024  # addresses a pool owns; the first block of the network belongs to etcd and the masters
POOL_LIMIT = 1000  # machines a pool may have

NODE = ("kubelet", "kube-proxy")
# The controller manager signs what a kubelet waits for, so it comes first.
MASTER = ("kube-apiserver", "kube-controller-manager", *NODE, "kube-scheduler")
CONTROL_PLANE_TAINT = "node-role.kubernetes.io/control-plane=:NoSchedule"


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine. `role` is etcd, master or worker; `components` are what it runs, in start order.

    `pool` is "" where the machine is no worker.
    """

    name: str
    role: str
    pool: str
    size: Size
    address: str
    labels: Mapping[str, str]
    taints: tuple[str, ...]
    components: tuple[str, ...]

    @property
    def group(self) -> str:
        """The machines that boot the same user-data: a worker's pool (`worker-NAME`), or else the role."""
        return f"worker-{self.pool}" if self.role == "worker" else self.role


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


def blocks(definition: Definition, known: Mapping[str, int]) -> Mapping[str, int]:
    """`known` with the lowest free block for each pool that has none yet.

    A pool that left the definition keeps its block, so that it gets its old addresses if it comes back.
    """
    given = dict(known)
    for pool in definition.workers:
        if pool.name not in given:
            taken = set(given.values())
            given[pool.name] = next(block for block in count() if block not in taken)
    return given


def lay_out(definition: Definition, blocks: Mapping[str, int]) -> Topology:
    """Name and address every machine; `blocks` (pool name -> address block) comes from the lock."""
    workers = chain.from_iterable(
        _workers(definition, pool, _block(definition, pool, blocks)) for pool in definition.workers
    )
    return Topology((*_etcd(definition), *_masters(definition), *workers))


def _etcd(definition: Definition) -> Iterator[Machine]:
    size = SIZES[definition.etcd.size]
    for number in range(1, definition.etcd.count + 1):
        address = str(definition.network.machines[ETCD_OFFSET + number])
        yield Machine(f"etcd{number}", "etcd", "", size, address, {}, (), ("etcd",))


def _masters(definition: Definition) -> Iterator[Machine]:
    masters = definition.masters
    taints = () if masters.schedulable else (CONTROL_PLANE_TAINT,)
    components = MASTER if definition.etcd.count else ("etcd", *MASTER)
    for number in range(1, masters.count + 1):
        address = str(definition.network.machines[MASTER_OFFSET + number])
        yield Machine(f"master{number}", "master", "", SIZES[masters.size], address, {}, taints, components)


def _workers(definition: Definition, pool: Pool, block: int) -> Iterator[Machine]:
    first = definition.network.machines.network_address + BLOCK * (1 + block)
    for number in range(1, pool.count + 1):
        name = f"worker-{pool.name}-{number}"
        address = str(first + number)
        yield Machine(name, "worker", pool.name, SIZES[pool.size], address, pool.labels, pool.taints, NODE)


def _block(definition: Definition, pool: Pool, blocks: Mapping[str, int]) -> int:
    """The block of `pool`, where the lock has one that lies in the machines network."""
    refresh = f"Run `anywhere images lock {definition.path}`."
    if pool.name not in blocks:
        raise UserError(f"The lock has no addresses for the worker pool {pool.name!r}.", refresh)
    block, network = blocks[pool.name], definition.network.machines
    if BLOCK * (2 + block) > network.num_addresses:
        raise UserError(
            f"Block {block}, which the lock gives to the worker pool {pool.name!r}, lies outside of {network}.",
            "Make spec.network.machines larger, or remove blocks of pools that are gone for good from the lock.",
        )
    return block
