"""Availability zones, and which of them have the instance types that a cluster is made of."""

from __future__ import annotations

from generator.definition import Definition
from generator.errors import UserError
from providers.aws import section, sizes
from providers.aws.session import Session
from providers.offers import Offers

LOOK = "see which zones have the instance types"
MOST = 7  # a machines network is cut into eighths, and the first is that of etcd and masters


def chosen(session: Session, definition: Definition) -> tuple[str, ...]:
    """The zones to use, checked where the definition names them; UserError where there are none."""
    offers = offered(session, definition)
    given = section.of(definition).zones
    if given:
        offers.check(given)
    return given or offers.all()[:MOST]


def offered(session: Session, definition: Definition) -> Offers:
    """What every zone of the region that the account may use offers of the cluster's instance types."""
    types = frozenset(sizes.types(definition).values())
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
    found = {name: frozenset(kind for kind in types if (name, kind) in pairs) for name in names}
    return Offers(session.region, types, found, "providers.aws", " for this account")
