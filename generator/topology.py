"""From a definition to named, addressed machines. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network
from itertools import chain, count

from generator.definition import SIZES, Definition, Pool, Size
from generator.errors import UserError

# Every etcd machine and master has a /27 of its own, which a cloud with subnets by zone puts into the zone it likes.
SLOT = 32
ETCD_SLOTS, MASTER_SLOTS = 0, 256  # where those of each begin, from the network's first address
FIRST_IN_SLOT = 10
SHARED = {"etcd": 10, "master": 20}  # where numbers begin in a subnet that was there before the cluster
BLOCK = 1024  # addresses a pool owns; the first block of the network belongs to etcd and the masters
POOL_LIMIT = 1000  # machines a pool may have

NODE = ("kubelet", "kube-proxy")
# The order in which machines change them too: see modules/node/agent/turns.
MASTER = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", *NODE)
CONTROL_PLANE_TAINT = "node-role.kubernetes.io/control-plane=:NoSchedule"


_CONTROL_PLANE_NAME = re.compile(r"(etcd|master)\d+")


def taint_key(taint: str) -> tuple[str, str]:
    """`key=value:Effect` -> (key, Effect), by which Kubernetes tells taints apart."""
    return taint.partition("=")[0], taint.rpartition(":")[2]


def is_control_plane(name: str) -> bool:
    """Whether a machine of this name is an etcd machine or a master, also one that left the definition."""
    return bool(_CONTROL_PLANE_NAME.fullmatch(name))


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine. `role` is etcd, master or worker; `number` counts from 1 in its role or pool.

    `pool` is "" where the machine is no worker; `components` are what it runs, in start order. `address` is "" where
    its target gives it one.
    """

    name: str
    role: str
    number: int
    pool: str
    size: Size
    arch: str
    address: str
    labels: Mapping[str, str]
    taints: tuple[str, ...]
    components: tuple[str, ...]

    @property
    def group(self) -> str:
        """The machines that boot the same user-data: a worker's pool (`worker-NAME`), or else the role."""
        return f"worker-{self.pool}" if self.role == "worker" else self.role

    @property
    def member(self) -> str:
        """Its name as a member of etcd: etcdN on etcdN or masterN."""
        return f"etcd{self.number}"


@dataclass(frozen=True, slots=True)
class Topology:
    """Every machine of a cluster, etcd first, then masters, then workers.

    `founders` are the etcd machines and masters that it began with, by name, with their addresses: some may be gone.
    """

    machines: tuple[Machine, ...]
    founders: Mapping[str, str] = field(default_factory=dict)

    def having(self, component: str) -> tuple[Machine, ...]:
        """The machines that run `component`."""
        return tuple(m for m in self.machines if component in m.components)

    @property
    def fixed(self) -> tuple[Machine, ...]:
        """Etcd machines and masters, whose names and addresses are chosen here on every target."""
        return tuple(m for m in self.machines if m.role != "worker")

    @property
    def grouped(self) -> Topology:
        """The same machines on a target where each pool is a group that makes, names and addresses its workers."""
        workers = (m for m in self.machines if m.role == "worker")
        return replace(self, machines=(*self.fixed, *(replace(m, name=f"{m.group}-?", address="") for m in workers)))


def founders(definition: Definition) -> tuple[str, ...]:
    """The names of the etcd machines and masters that the cluster would begin with if it began now."""
    etcd, masters = range(1, definition.etcd.count + 1), range(1, definition.masters.count + 1)
    return (*(f"etcd{number}" for number in etcd), *(f"master{number}" for number in masters))


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


def role_components(definition: Definition) -> dict[str, tuple[str, ...]]:
    """What machines of each role that the cluster has run, in start order; a pool may have no machine yet."""
    components: dict[str, tuple[str, ...]] = {"etcd": ("etcd",)} if definition.etcd.count else {}
    components["master"] = MASTER if definition.etcd.count else ("etcd", *MASTER)
    return components | ({"worker": NODE} if definition.workers else {})


def lay_out(
    definition: Definition,
    blocks: Mapping[str, int],
    subnets: Sequence[IPv4Network] = (),
    began_with: Sequence[str] = (),
) -> Topology:
    """Name and address every machine; `blocks` (pool name -> address block) comes from the lock.

    `subnets` are those that were there before the cluster, where its target is told to use them: machines of each
    role take turns in them. `began_with` are the founders that the lock has; by itself, a cluster begins as it is.
    """
    workers = chain.from_iterable(
        _workers(definition, pool, offset(definition, pool, blocks)) for pool in definition.workers
    )
    machines = (*_etcd(definition, subnets), *_masters(definition, subnets), *workers)
    network = definition.network.machines
    known = {name: _founder(network, subnets, name) for name in began_with or founders(definition)}
    return Topology(machines, known)


def offset(definition: Definition, pool: Pool, blocks: Mapping[str, int]) -> int:
    """The address before a pool's first, counted from the start of the machines network."""
    return BLOCK * (1 + _block(definition, pool, blocks))


def _etcd(definition: Definition, subnets: Sequence[IPv4Network]) -> Iterator[Machine]:
    etcd = definition.etcd
    for number in range(1, etcd.count + 1):
        address = _fixed(definition.network.machines, subnets, "etcd", number)
        size = SIZES[etcd.size]
        yield Machine(f"etcd{number}", "etcd", number, "", size, etcd.arch, address, {}, (), ("etcd",))


def _masters(definition: Definition, subnets: Sequence[IPv4Network]) -> Iterator[Machine]:
    masters = definition.masters
    taints = () if masters.schedulable else (CONTROL_PLANE_TAINT,)
    components = role_components(definition)["master"]
    for number in range(1, masters.count + 1):
        address = _fixed(definition.network.machines, subnets, "master", number)
        size = SIZES[masters.size]
        yield Machine(f"master{number}", "master", number, "", size, masters.arch, address, {}, taints, components)


def _founder(network: IPv4Network, subnets: Sequence[IPv4Network], name: str) -> str:
    role = name.rstrip("0123456789")
    return _fixed(network, subnets, role, int(name.removeprefix(role)))


def _fixed(network: IPv4Network, subnets: Sequence[IPv4Network], role: str, number: int) -> str:
    """The address of an etcd machine or master, which never changes."""
    if subnets:
        return str(subnets[(number - 1) % len(subnets)][SHARED[role] + number])
    slots = {"etcd": ETCD_SLOTS, "master": MASTER_SLOTS}[role]
    return str(network[slots + SLOT * (number - 1) + FIRST_IN_SLOT])


def _workers(definition: Definition, pool: Pool, before: int) -> Iterator[Machine]:
    for number in range(1, pool.count + 1):
        name = f"worker-{pool.name}-{number}"
        address = str(definition.network.machines[before + number])
        size = SIZES[pool.size]
        yield Machine(name, "worker", number, pool.name, size, pool.arch, address, pool.labels, pool.taints, NODE)


def _block(definition: Definition, pool: Pool, blocks: Mapping[str, int]) -> int:
    """The block of `pool`, where the lock has one that lies in the machines network."""
    refresh = "Run `anywhere images lock`."
    if pool.name not in blocks:
        raise UserError(f"The lock has no addresses for the worker pool {pool.name!r}.", refresh)
    block, network = blocks[pool.name], definition.network.machines
    if BLOCK * (2 + block) > network.num_addresses:
        raise UserError(
            f"Block {block}, which the lock gives to the worker pool {pool.name!r}, lies outside of {network}.",
            "Make spec.network.machines larger, or remove blocks of pools that are gone for good from the lock.",
        )
    return block
