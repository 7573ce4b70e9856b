"""What a picture of a cluster shows: machines in areas of a network, and how clients reach the API. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby

from generator.definition import SIZES, Definition, Pool, Size
from generator.dns_names import API_SERVER
from generator.site import Entry, Site
from generator.topology import Machine, Topology

# What is shown of what a machine runs, in this order.
SHOWN = {"kube-apiserver": "API server", "etcd": "etcd"}
PODS = "pods"
ZONE, ROLE, POOL = "zone", "role", "pool"
CLIENTS = ("Clients", "kubectl, CI")
# What a plan does to a machine, as `anywhere plan` marks it, and what a picture calls that.
MARKED = {"+": "created", "~": "changed", "±": "replaced", "-": "destroyed"}


@dataclass(frozen=True, slots=True)
class Card:
    """A machine, or a group of workers, which its target makes by itself.

    `key` is what a plan calls it, `heading` what a person reads; `lines` say what it is, and `runs` what it is for.
    Clients are led to those that are `entered`. `mark` is what a plan does to it, "" for nothing.
    """

    key: str
    heading: str
    role: str
    lines: tuple[str, ...]
    runs: tuple[str, ...] = ()
    entered: bool = False
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Area:
    """Machines of a zone, a role or a pool, as `kind` says."""

    kind: str
    title: str
    cards: tuple[Card, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Legend:
    """What `marks` mean, in words, and a `remark` beside them."""

    marks: Mapping[str, str]
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Diagram:
    """One cluster on one target. `network` and `pods` are headings; what follows of the latter is in `pod_facts`."""

    title: str
    subtitle: str
    summary: str
    network: str
    entry: Entry
    areas: tuple[Area, ...]
    pods: str
    pod_facts: tuple[str, ...]
    legend: Legend = field(default_factory=lambda: Legend({}))

    @property
    def cards(self) -> tuple[Card, ...]:
        """All machines and groups."""
        return tuple(card for area in self.areas for card in area.cards)


def describe(
    definition: Definition, topology: Topology, site: Site, target: str, driver: str, *, grouped: bool
) -> Diagram:
    """The picture of a cluster on `target`. Where pools are `grouped`, each is one card, with its number of workers.

    `driver` is the one that was decided upon, "" where that is still to come.
    """
    network = definition.network
    workers = _groups(definition, site) if grouped else _pools(definition, topology, site)
    own = f" of {site.network}" if site.network else ""
    encrypted = ", encrypted" if network.encryption else ", not encrypted"
    return Diagram(
        title=f"{definition.name} on {target}",
        subtitle=f"Kubernetes {definition.kubernetes}",
        summary=_summary(definition, target),
        network=f"Network {network.machines}{own}, {site.place}",
        entry=site.entry,
        areas=(*_control_plane(definition, topology, site), *workers),
        pods=f"Pod network: {driver or 'weave or flannel, as the lock will say'}{encrypted}",
        pod_facts=(
            f"Pods {network.pods}",
            f"Services {network.services}",
            f"Add-ons: {', '.join(_addons(definition)) or 'none'}",
            f"{API_SERVER} names every API server",
        ),
    )


def _addons(definition: Definition) -> tuple[str, ...]:
    return (*definition.addons, *(addon.name for addon in definition.own_addons))


def _summary(definition: Definition, target: str) -> str:
    """The cluster in a sentence, for who cannot see the picture."""
    etcd, masters = definition.etcd.count, definition.masters.count
    workers = sum(pool.count for pool in definition.workers)
    parts = [_counted(masters, "master"), _counted(workers, "worker")]
    parts.insert(1, _counted(etcd, "etcd machine") if etcd else "etcd on the masters")
    return f"The cluster {definition.name} on {target}: {', '.join(parts)}, on one network."


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _control_plane(definition: Definition, topology: Topology, site: Site) -> Iterator[Area]:
    """Masters before etcd machines, so that nothing stands between them and the clients; by zone where there are."""
    fixed = sorted(topology.fixed, key=lambda machine: machine.role != "master")
    servers = topology.having("kube-apiserver")
    entered = servers if site.entry.balanced else servers[:1]

    def area(kind: str, title: str, machines: list[Machine], note: str = "") -> Area:
        cards = (replace(_machine(definition, each, site), entered=each in entered) for each in machines)
        return Area(kind, title, tuple(cards), note)

    if not site.zones:
        for role, own in groupby(fixed, key=lambda machine: machine.role):
            yield area(ROLE, {"master": "Masters", "etcd": "etcd"}[role], list(own))
        return
    for zone in _zones(site):
        machines = [machine for machine in fixed if site.zone(machine) == zone]
        yield area(ZONE, zone, machines, "" if machines else "workers only")


def _zones(site: Site) -> tuple[str, ...]:
    """All zones in which machines may be."""
    return tuple(sorted({*site.zones, *(zone for own in site.pool_zones.values() for zone in own)}))


def _groups(definition: Definition, site: Site) -> Iterator[Area]:
    """Pools as groups, which are in several zones at once."""
    if definition.workers:
        cards = tuple(_group(pool, site) for pool in definition.workers)
        yield Area(POOL, "Groups of workers", cards)


def _pools(definition: Definition, topology: Topology, site: Site) -> Iterator[Area]:
    """Pools as machines, each with a name and an address of its own."""
    for pool in definition.workers:
        machines = (machine for machine in topology.machines if machine.role == "worker" and machine.pool == pool.name)
        cards = tuple(_machine(definition, machine, site) for machine in machines)
        yield Area(POOL, f"Pool {pool.name}", cards, "" if cards else "no worker yet")


def _machine(definition: Definition, machine: Machine, site: Site) -> Card:
    lines = [f"{machine.role}, {machine.size.name}", _what(machine.size, machine.arch, site.types.get(machine.group))]
    if site.addressed:
        lines.append(machine.address)
    runs = [name for component, name in SHOWN.items() if component in machine.components]
    if machine.role == "worker" or (machine.role == "master" and definition.masters.schedulable):
        runs.append(PODS)
    return Card(machine.name, machine.name, machine.role, tuple(lines), tuple(runs))


def _group(pool: Pool, site: Site) -> Card:
    name, size = f"worker-{pool.name}", SIZES[pool.size]
    lines = [f"worker, {pool.size}" + (", spot" if pool.spot else ""), _what(size, pool.arch, site.types.get(name))]
    if zones := site.pool_zones.get(pool.name):
        lines.append("in all zones" if set(zones) == set(_zones(site)) else f"in {', '.join(zones)}")
    return Card(name, f"{name} x {_number(pool)}", "worker", tuple(lines), (PODS,))


def _number(pool: Pool) -> str:
    """How many workers a group has, and how many it may have: `2`, `2 (to 5)`, `2 (1 to 5)`."""
    least, most = pool.least, pool.most
    if least == most:
        return str(pool.count)
    return f"{pool.count} (to {most})" if least == pool.count else f"{pool.count} ({least} to {most})"


def _what(size: Size, arch: str, name: str | None) -> str:
    """What a machine is made of: as its target calls that, else at least this much."""
    return f"{name}, {arch}" if name else f"{size.cpus} vCPU, {size.memory / 1024:g} GiB"
