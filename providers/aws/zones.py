"""Availability zones, and which of them have the instance types that a cluster is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from generator.definition import Definition
from generator.errors import UserError
from providers import locked, placement
from providers.aws import section, sizes
from providers.aws.session import Session
from providers.placement import Offers, Placement

LOOK = "see which zones have the instance types"
MOST = 7  # a machines network is cut into eighths, and the first is that of etcd and masters


def settled(session: Session, definition: Definition) -> Placement:
    """The same where the definition names all zones: nobody is asked."""
    known = locked.beside(definition, "aws", {"region": session.region})
    given = section.of(definition).zones
    return placement.settled(given, "providers.aws.zones", *locked.placement(known, "aws"))


def of_subnets(session: Session, definition: Definition, found: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """What the lock holds of the subnets of an existing VPC: those of the lock so far keep their places."""
    known = locked.beside(definition, "aws", {"region": session.region})
    before, old = locked.placement(known, "aws")
    facts = known.facts["aws"] if known else {}
    there = [subnet["id"] for subnet in facts.get("subnets", ())]
    by_id = {subnet["id"]: subnet for subnet in found}
    subnets = [by_id[name] for name in placement.extended(there, tuple(by_id), "providers.aws.vpc.subnets")]
    zones = tuple(dict.fromkeys(subnet["zone"] for subnet in subnets))
    fixed = before.fixed if before and there else zones
    offers, groups = offered(session, definition), sizes.groups(definition)
    placement.check(offers, fixed, {group.type for group in groups if not group.pool})
    placed = Placement(zones, zones, placement.pools(offers, groups, zones, old))
    spread = facts.get("spread", len(there)) if there else len(subnets)
    return {"subnets": subnets, **placed.facts(), **({"spread": spread} if spread != len(subnets) else {})}


def chosen(session: Session, definition: Definition) -> Placement:
    """Where machines of a VPC of the cluster's own stand: as the lock so far has it, and zones that are new."""
    known = locked.beside(definition, "aws", {"region": session.region})
    offers, given = offered(session, definition), section.of(definition).zones
    return placement.choose(offers, sizes.groups(definition), given, MOST, *locked.placement(known, "aws"))


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
    return Offers(session.region, found, "providers.aws", " for this account")
