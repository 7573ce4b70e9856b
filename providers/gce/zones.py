"""Zones, and which of them have the machine types that a cluster is made of."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from generator.definition import Definition
from generator.errors import UserError
from providers.gce import section, sizes, types
from providers.gce.session import Session, last

LOOK = "see which zones have the machine types"


def chosen(session: Session, definition: Definition) -> tuple[str, ...]:
    """The zones to use, checked where the definition names them; UserError where there are none."""
    wanted = frozenset(sizes.types(definition).values())
    offers = offered(session, wanted)
    given: Sequence[str] = section.of(definition).get("zones", ())
    if given:
        check(session.region, given, offers, wanted)
        return tuple(given)
    found = tuple(zone for zone, has in sorted(offers.items()) if wanted <= has)
    if not found:
        raise UserError(
            f"No zone of {session.region} offers all of {', '.join(sorted(wanted))}: {_told(offers, wanted)}.",
            "Choose other types in providers.gce.sizes, or another region.",
        )
    return found


def there(session: Session) -> list[str]:
    """Every zone of the region that is up; UserError where there are none."""
    found = [
        zone.name
        for zone in session.items("ZonesClient", "list", LOOK)
        if last(zone.region) == session.region and zone.status == "UP"
    ]
    if not found:
        raise UserError(
            f"Google has no region {session.region}, or none of its zones is up.",
            "Mend providers.gce.region: `gcloud compute regions list` shows those there are.",
        )
    return found


def offered(session: Session, wanted: Collection[str]) -> dict[str, frozenset[str]]:
    """Zone -> those of the types `wanted` that it offers, for every zone of the region that is up."""
    zones = there(session)
    pairs = {(last(kind.zone), kind.name) for kind in types.found(session, zones, wanted)}
    return {zone: frozenset(name for name in wanted if (zone, name) in pairs) for zone in zones}


def check(region: str, zones: Iterable[str], offers: Mapping[str, Collection[str]], wanted: Collection[str]) -> None:
    """UserError where one of `zones` is not there or lacks a type."""
    for zone in zones:
        if zone not in offers:
            message = f"{region} has no zone {zone}, or it is not up."
            raise UserError(message, f"Write some of these in providers.gce.zones: {', '.join(sorted(offers))}.")
        if lacking := sorted(set(wanted) - set(offers[zone])):
            having = [name for name, has in sorted(offers.items()) if set(wanted) <= set(has)]
            other = f"Zones that do: {', '.join(having)}" if having else f"No zone of {region} does"
            raise UserError(
                f"Zone {zone} does not offer {', '.join(lacking)}.",
                f"{other}. Mend providers.gce.zones or providers.gce.sizes.",
            )


def _told(offers: Mapping[str, Collection[str]], wanted: Collection[str]) -> str:
    return "; ".join(
        f"{zone} lacks {', '.join(sorted(set(wanted) - set(has)))}" for zone, has in sorted(offers.items())
    )
