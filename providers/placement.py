"""In which zones a cluster's machines stand. Chosen once: a relock adds zones, and moves nothing that is there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from generator.errors import UserError
from generator.lock import RELOCK
from providers.groups import Group

Pools = Mapping[str, tuple[str, ...]]  # worker pool -> its zones


@dataclass(frozen=True, slots=True)
class Offers:
    """What the zones of a region offer of the cluster's machine types: `zones` maps each zone that is up to them.

    `section` is where the definition names zones (`providers.aws`); `absent` is why a zone may not be among them.
    """

    region: str
    zones: Mapping[str, Collection[str]]
    section: str
    absent: str

    def having(self, types: Collection[str]) -> tuple[str, ...]:
        """The zones that offer all of `types`, sorted."""
        return tuple(zone for zone, offered in sorted(self.zones.items()) if set(types) <= set(offered))

    def lacking(self, zone: str, types: Collection[str]) -> str:
        """Those of `types` that `zone` does not offer, as a list for people."""
        return ", ".join(sorted(set(types) - set(self.zones[zone])))


@dataclass(frozen=True, slots=True)
class Placement:
    """All `zones` of a cluster in the order of their choice, those of its `fixed` machines, and `pools` with others.

    Etcd machines and masters take turns in the fixed zones. A worker pool uses all zones where `pools` does not say.
    """

    zones: tuple[str, ...]
    fixed: tuple[str, ...]
    pools: Mapping[str, tuple[str, ...]]

    def of(self, group: Group) -> tuple[str, ...]:
        """The zones of the machines of `group`."""
        return self.pools.get(group.pool, self.zones) if group.pool else self.fixed

    def facts(self) -> dict[str, Any]:
        """What the lock holds of it."""
        return {
            "zones": list(self.zones),
            **({"spread": len(self.fixed)} if self.fixed != self.zones else {}),
            **({"pool_zones": {pool: list(own) for pool, own in sorted(self.pools.items())}} if self.pools else {}),
        }


def locked(facts: Mapping[str, Any]) -> Placement:
    """The placement that a lock's facts of a cloud hold."""
    zones, fixed = tuple(facts["zones"]), tuple(dict.fromkeys(turns(facts)))
    return Placement(zones, fixed, {pool: tuple(own) for pool, own in facts.get("pool_zones", {}).items()})


def turns(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """The zones that fixed machines take turns in, by their numbers: one twice where two subnets are in it."""
    stands = [subnet["zone"] for subnet in facts.get("subnets", ()) if subnet["zone"]] or facts["zones"]
    return tuple(stands[: facts.get("spread")])  # the spread is over subnets where these have zones


def extended(known: Sequence[str], wanted: Sequence[str], where: str) -> tuple[str, ...]:
    """`known` and then what of `wanted` is new; UserError where `wanted`, of the field `where`, lacks a known one."""
    if gone := [name for name in known if name not in wanted]:
        raise UserError(
            f"{where} no longer has {', '.join(gone)}, where the lock has machines.",
            "Put it back: machines keep their zones, volumes and addresses. Only a new cluster, with another "
            "metadata.name, can be elsewhere.",
        )
    return (*known, *(name for name in wanted if name not in known))


def choose(
    offers: Offers, groups: Sequence[Group], given: Sequence[str], most: int, before: Placement | None, old: Pools
) -> Placement:
    """The zones of a cluster: those `given`, else at most `most` that offer the types of its fixed machines.

    Zones of the placement `before` stay, also for the `old` pools. UserError where no zone will do.
    """
    types = {group.type for group in groups if not group.pool}
    check(offers, given, types)
    if before is None:
        zones = tuple(given) or _having(offers, types)[:most]
        return Placement(zones, zones, pools(offers, groups, zones, {}))
    wanted = given or (*before.zones, *offers.having(types))
    zones = extended(before.zones, wanted, f"{offers.section}.zones")[: max(most, len(before.zones))]
    return Placement(zones, before.fixed, pools(offers, groups, zones, old))


def settled(given: tuple[str, ...], where: str, before: Placement | None, old: Pools) -> Placement:
    """The same where the definition names all zones, in the field `where`, and nobody is asked what they offer."""
    if before is None:
        return Placement(given, given, {})
    zones = extended(before.zones, given, where)
    return Placement(zones, before.fixed, {pool: own for pool, own in old.items() if own != zones})


def pools(offers: Offers, groups: Iterable[Group], zones: tuple[str, ...], old: Pools) -> dict[str, tuple[str, ...]]:
    """The zones of each pool that does not use all `zones`: it is an `old` one, or some lack its type."""
    found = {}
    for group in groups:
        if group.pool:
            own = _offering(offers, group, old.get(group.pool, zones)) or _offering(offers, group, zones)
            if not own:
                raise UserError(
                    f"None of the cluster's zones {', '.join(zones)} offers {group.type}, the type of {group.name}.",
                    f"Choose another type in {offers.section}.sizes.",
                )
            found[group.pool] = own
    return {pool: own for pool, own in found.items() if own != zones}


def check(offers: Offers, zones: Iterable[str], types: Collection[str]) -> None:
    """UserError where one of `zones`, which the definition names, is not there or lacks one of `types`."""
    for zone in zones:
        if zone not in offers.zones:
            there = f"Write some of these in {offers.section}.zones: {', '.join(sorted(offers.zones))}."
            raise _absent(offers, zone, there)
        if lacking := offers.lacking(zone, types):
            having = ", ".join(offers.having(types))
            other = f"Zones that do: {having}" if having else f"No zone of {offers.region} does"
            raise UserError(
                f"Zone {zone} does not offer {lacking}.",
                f"{other}. Change {offers.section}.zones or {offers.section}.sizes.",
            )


def check_locked(offers: Offers, placement: Placement, groups: Iterable[Group]) -> None:
    """UserError where a zone of the lock lacks the type of machines that stand there."""
    for group in groups:
        own = placement.of(group)
        for zone in own:
            if zone not in offers.zones:
                raise _absent(offers, zone, f"Wait until it is back: {group.name} has machines there, which stay.")
        having = _offering(offers, group, own)
        if own == having:
            continue
        message = f"Zone {', '.join(sorted(set(own) - set(having)))} does not offer {group.type}, for {group.name}."
        if group.pool and having:
            raise UserError(message, f"Run {RELOCK}: the pool then uses {', '.join(having)}; all else stays.")
        raise UserError(message, f"Choose another type in {offers.section}.sizes: machines keep their zones.")


def _absent(offers: Offers, zone: str, hint: str) -> UserError:
    return UserError(f"{offers.region} has no zone {zone}{offers.absent}.", hint)


def _having(offers: Offers, types: Collection[str]) -> tuple[str, ...]:
    """The zones that offer all of `types`; UserError where there is none."""
    if found := offers.having(types):
        return found
    lacks = (f"{zone} lacks {offers.lacking(zone, types)}" for zone in sorted(offers.zones))
    raise UserError(
        f"No zone of {offers.region} offers all of {', '.join(sorted(types))}: {'; '.join(lacks)}.",
        f"Choose other types in {offers.section}.sizes, or another region.",
    )


def _offering(offers: Offers, group: Group, zones: Iterable[str]) -> tuple[str, ...]:
    """Those of `zones` that do not lack the group's type: one that is down now may well have it."""
    return tuple(zone for zone in zones if group.type in offers.zones.get(zone, (group.type,)))
