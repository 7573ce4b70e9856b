"""Zones, and which of them have the machine types that a cluster is made of."""

from __future__ import annotations

from generator.definition import Definition
from generator.errors import UserError
from providers import locked, placement
from providers.gce import section, sizes, types
from providers.gce.session import Session, last
from providers.placement import Offers, Placement

LOOK = "see which zones have the machine types"


def chosen(session: Session, definition: Definition) -> Placement:
    """Where machines stand: as the lock so far has it, and zones that are new."""
    known = locked.beside(definition, "gce", {"project": session.project, "region": session.region})
    offers, given = offered(session, definition), section.of(definition).zones
    return placement.choose(offers, sizes.groups(definition), given, len(offers.zones), *locked.placement(known, "gce"))


def settled(session: Session, definition: Definition) -> Placement:
    """The same where the definition names all zones: nobody is asked."""
    known = locked.beside(definition, "gce", {"project": session.project, "region": session.region})
    given = section.of(definition).zones
    return placement.settled(given, "providers.gce.zones", *locked.placement(known, "gce"))


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
            "Fix providers.gce.region: `gcloud compute regions list` shows those there are.",
        )
    return found


def offered(session: Session, definition: Definition) -> Offers:
    """What every zone of the region that is up offers of the cluster's machine types."""
    wanted, zones = frozenset(sizes.types(definition).values()), there(session)
    pairs = {(last(kind.zone), kind.name) for kind in types.found(session, zones, wanted)}
    found = {zone: frozenset(name for name in wanted if (zone, name) in pairs) for zone in zones}
    return Offers(session.region, found, "providers.gce", ", or it is not up")
