"""The subnetwork of a network that was there before the cluster."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

from generator.definition import Definition
from generator.errors import UserError
from providers.gce import section
from providers.gce.refusal import GoogleError
from providers.gce.session import Session, last

LOOK = "look at the network that the definition names"
FIX = "Fix providers.gce.network."


def chosen(session: Session, definition: Definition) -> list[dict[str, Any]]:
    """What the lock holds of it: [{id, zone, cidr}], checked."""
    given = section.network(definition)
    found = described(session, given.subnetwork)
    if last(found.network) != given.name:
        raise UserError(
            f"Subnetwork {given.subnetwork} is of network {last(found.network)}, not of {given.name}.",
            FIX,
        )
    if found.purpose not in ("", "PRIVATE"):
        raise UserError(f"Subnetwork {given.subnetwork} is for {found.purpose}, not for machines.", FIX)
    cidr, machines = IPv4Network(found.ip_cidr_range), definition.network.machines
    if not cidr.subnet_of(machines):
        raise UserError(
            f"Subnetwork {given.subnetwork} has {cidr}, which is not inside of spec.network.machines, {machines}.",
            f"Write spec.network.machines: {cidr}, or a range around it.",
        )
    if cidr.num_addresses < 64:
        raise UserError(f"Subnetwork {given.subnetwork} has {cidr}, too few addresses.", "Take a /26 or larger.")
    return [{"id": given.subnetwork, "zone": "", "cidr": str(cidr)}]


def described(session: Session, name: str) -> Any:
    """The subnetwork; UserError where it is not there."""
    try:
        return session.call(
            "SubnetworksClient", "get", LOOK, project=session.host, region=session.region, subnetwork=name
        )
    except GoogleError as error:
        if error.gone:
            raise UserError(
                f"{session.region} has no subnetwork {name} in project {session.host}.",
                "Fix providers.gce.network.subnetwork.",
            ) from None
        raise
