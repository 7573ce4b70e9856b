"""Zones, and which of them have the machine types that a cluster is made of."""

from __future__ import annotations

from generator.definition import Definition
from generator.errors import UserError
from providers.gce import section, sizes, types
from providers.gce.session import Session, last
from providers.offers import Offers

LOOK = "see which zones have the machine types"


def chosen(session: Session, definition: Definition) -> tuple[str, ...]:
    """The zones to use, checked where the definition names them; UserError where there are none."""
    offers = offered(session, definition)
    given = section.of(definition).zones
    if given:
        offers.check(given)
    return given or offers.all()


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


def offered(session: Session, definition: Definition) -> Offers:
    """What every zone of the region that is up offers of the cluster's machine types."""
    wanted, zones = frozenset(sizes.types(definition).values()), there(session)
    pairs = {(last(kind.zone), kind.name) for kind in types.found(session, zones, wanted)}
    found = {zone: frozenset(name for name in wanted if (zone, name) in pairs) for zone in zones}
    return Offers(session.region, wanted, found, "providers.gce", ", or it is not up")
