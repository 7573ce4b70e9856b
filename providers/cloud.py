"""What is the same in the adapters of all clouds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network
from pathlib import Path

from generator import sections
from generator.definition import ETCD_DISK, Definition
from generator.lock import Base, Lock
from generator.progress import Progress
from generator.site import Entry, Site
from generator.topology import Topology
from providers import locked, placement
from providers.groups import Group


class Cloud:
    """A cloud's machines start as Debian's own image there, and a pool is a group of its machines."""

    name: str
    identity: tuple[str, ...]
    installs_packages = True
    manages_workers = True
    etcd_disk = ETCD_DISK

    @property
    def api_remedy(self) -> str:
        return (
            f"Reach its network by a VPN, or set providers.{self.name}.load_balancer: true and put this computer's "
            "public address in admin_cidrs; then apply again."
        )

    def base(self, progress: Progress) -> Base | None:
        """None: the facts name the machine images."""
        return None

    def base_images(self, lock: Lock) -> Mapping[str, str]:
        return locked.images(lock, self.name)

    def subnets(self, lock: Lock) -> tuple[IPv4Network, ...]:
        return locked.subnets(lock, self.name)

    def unfit_drivers(self, definition: Definition) -> Mapping[str, str]:
        return {}

    def prepare(
        self, definition: Definition, topology: Topology, lock: Lock, archives: Path, progress: Progress
    ) -> None:
        """Nothing: Terraform makes all of it."""

    def environment(self) -> Mapping[str, str]:
        return {}


NAMED_RANGES = 2  # of those who may reach the API, before the others are only counted


def site(
    definition: Definition,
    lock: Lock | None,
    target: str,
    section: sections.Cloud,
    network: str,
    groups: Sequence[Group],
    balancer: str = "Load balancer",
) -> Site:
    """Where a cluster stands in the region of its `section`. Zones are the lock's, else those that the section names.

    `network` is one that was there before the cluster, whose subnets, and so the addresses, only the lock knows.
    """
    facts = lock.facts.get(target) if lock else None
    if not facts or facts.get("region") != section.region:
        facts = {"zones": section.zones}
    placed = placement.locked(facts)
    entry = Entry(balancer, f"port 6443, for {_ranges(section)}", balanced=True)
    if not locked.balanced(definition, section):
        entry = Entry("No load balancer", "port 6443 of the first master, from inside", balanced=False)
    return Site(
        place=section.region if placed.zones else f"{section.region}, in zones that the lock will name",
        entry=entry,
        network=network,
        zones=placement.turns(facts),
        pool_zones={group.pool: placed.of(group) for group in groups if group.pool},
        types={group.name: group.type for group in groups},
        addressed=not network or "subnets" in facts,
    )


def _ranges(section: sections.Cloud) -> str:
    named = [str(found) for found in section.admin_cidrs[:NAMED_RANGES]]
    more = len(section.admin_cidrs) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")
