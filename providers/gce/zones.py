"""Zones, and which of them have the machine types that a cluster is made of."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from generator.definition import Definition
from generator.errors import UserError
from providers.gce import section, sizes
from providers.gce.refusal import GoogleError
from providers.gce.session import Session, last

LOOK = "see which zones have the machine types"
THREADS = 8


def chosen(session: Session, definition: Definition) -> tuple[str, ...]:
    """The zones to use, checked where the definition names them; UserError where there are none."""
    types = frozenset(sizes.types(definition).values())
    offers = offered(session, types)
    given: Sequence[str] = section.of(definition).get("zones", ())
    if given:
        check(session.region, given, offers, types)
        return tuple(given)
    found = tuple(zone for zone, has in sorted(offers.items()) if types <= has)
    if not found:
        lacks = "; ".join(f"{zone} lacks {', '.join(sorted(types - has))}" for zone, has in sorted(offers.items()))
        raise UserError(
            f"No zone of {session.region} offers all of {', '.join(sorted(types))}: {lacks}.",
            "Choose other types in providers.gce.sizes, or another region.",
        )
    return found


def offered(session: Session, types: Collection[str]) -> dict[str, frozenset[str]]:
    """Zone -> those of `types` that it offers, for every zone of the region that is up."""
    zones = [
        zone.name
        for zone in session.items("ZonesClient", "list", LOOK)
        if last(zone.region) == session.region and zone.status == "UP"
    ]
    if not zones:
        raise UserError(f"Google has no region {session.region}, or none of its zones is up.", REGION)
    pairs = [(zone, kind) for zone in zones for kind in sorted(types)]
    with ThreadPoolExecutor(THREADS) as pool:
        there = list(pool.map(lambda pair: _has(session, *pair), pairs))
    having = {pair for pair, has in zip(pairs, there, strict=True) if has}
    return {zone: frozenset(kind for kind in types if (zone, kind) in having) for zone in zones}


REGION = "Mend providers.gce.region: `gcloud compute regions list` shows those there are."


def _has(session: Session, zone: str, kind: str) -> bool:
    try:
        session.call("MachineTypesClient", "get", LOOK, zone=zone, machine_type=kind)
    except GoogleError as error:
        if error.gone:
            return False
        raise
    return True


def check(region: str, zones: Iterable[str], offers: Mapping[str, Collection[str]], types: Collection[str]) -> None:
    """UserError where one of `zones` is not there or lacks a type."""
    for zone in zones:
        if zone not in offers:
            message = f"{region} has no zone {zone}, or it is not up."
            raise UserError(message, f"Write some of these in providers.gce.zones: {', '.join(sorted(offers))}.")
        if lacking := sorted(set(types) - set(offers[zone])):
            having = [name for name, has in sorted(offers.items()) if set(types) <= set(has)]
            other = f"Zones that do: {', '.join(having)}" if having else f"No zone of {region} does"
            raise UserError(
                f"Zone {zone} does not offer {', '.join(lacking)}.",
                f"{other}. Mend providers.gce.zones or providers.gce.sizes.",
            )
