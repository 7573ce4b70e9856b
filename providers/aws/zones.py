"""Availability zones, and which of them have the instance types that a cluster is made of."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from generator.definition import Definition
from generator.errors import UserError
from providers.aws import section, sizes
from providers.aws.session import Session

LOOK = "see which zones have the instance types"
MOST = 7  # a machines network is cut into eighths, and the first is that of etcd and masters


def chosen(session: Session, definition: Definition) -> tuple[str, ...]:
    """The zones to use, checked where the definition names them; UserError where there are none."""
    types = frozenset(sizes.types(definition).values())
    offers = offered(session, types)
    given: Sequence[str] = section.of(definition).get("zones", ())
    if given:
        check(session.region, given, offers, types)
        return tuple(given)
    found = tuple(zone for zone, has in sorted(offers.items()) if types <= has)[:MOST]
    if not found:
        raise UserError(
            f"No zone of {session.region} offers all of {', '.join(sorted(types))}: {_told(offers, types)}.",
            "Choose other types in providers.aws.sizes, or another region.",
        )
    return found


def offered(session: Session, types: Collection[str]) -> dict[str, frozenset[str]]:
    """Zone -> those of `types` that it offers, for every zone of the region that the account may use."""
    filters = [
        {"Name": "zone-type", "Values": ["availability-zone"]},
        {"Name": "opt-in-status", "Values": ["opt-in-not-required"]},
        {"Name": "state", "Values": ["available"]},
    ]
    zones = session.items("ec2", "describe_availability_zones", "AvailabilityZones", LOOK, Filters=filters)
    if not zones:
        raise UserError(
            f"Region {session.region} has no zones for this account.", "Write another in providers.aws.region."
        )
    offers = session.items(
        "ec2",
        "describe_instance_type_offerings",
        "InstanceTypeOfferings",
        LOOK,
        LocationType="availability-zone",
        Filters=[{"Name": "instance-type", "Values": sorted(types)}],
    )
    pairs = {(offer["Location"], offer["InstanceType"]) for offer in offers}
    names = [zone["ZoneName"] for zone in zones]
    return {name: frozenset(kind for kind in types if (name, kind) in pairs) for name in names}


def check(region: str, zones: Iterable[str], offers: Mapping[str, Collection[str]], types: Collection[str]) -> None:
    """UserError where one of `zones` is not there or lacks a type."""
    for zone in zones:
        if zone not in offers:
            message = f"{region} has no zone {zone} for this account."
            raise UserError(message, f"Write some of these in providers.aws.zones: {', '.join(sorted(offers))}.")
        if lacking := sorted(set(types) - set(offers[zone])):
            having = [name for name, has in sorted(offers.items()) if set(types) <= set(has)]
            message = f"Zone {zone} does not offer {', '.join(lacking)}."
            other = f"Zones that do: {', '.join(having)}" if having else f"No zone of {region} does"
            raise UserError(message, f"{other}. Mend providers.aws.zones or providers.aws.sizes.")


def _told(offers: Mapping[str, Collection[str]], types: Collection[str]) -> str:
    return "; ".join(f"{zone} lacks {', '.join(sorted(set(types) - set(has)))}" for zone, has in sorted(offers.items()))
