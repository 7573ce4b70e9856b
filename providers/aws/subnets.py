"""Subnets of a VPC that was there before the cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network
from typing import Any

from generator.definition import Definition
from generator.errors import UserError
from providers.aws import section
from providers.aws.refusal import AwsError
from providers.aws.session import Session

LOOK = "look at the VPC that the definition names"
MEND = "Mend providers.aws.vpc."


def chosen(session: Session, definition: Definition) -> list[dict[str, str]]:
    """The private subnets that machines go to, in the definition's order: id, zone, cidr. UserError where unfit."""
    vpc: Mapping[str, Any] = section.of(definition)["vpc"]
    ids, public = list(vpc["subnets"]), list(vpc.get("public_subnets", ()))
    described = _described(session, vpc["id"], [*ids, *public])
    gateways = _gateways(session, vpc["id"])
    for subnet in (described[name] for name in ids):
        for problem in _problems(subnet, gateways, definition):
            raise UserError(f"{_named(subnet)} {problem[0]}.", problem[1])
    for subnet in (described[name] for name in public):
        if not _leads_out(subnet["SubnetId"], gateways):
            raise UserError(f"{_named(subnet)} is no public subnet: no route leads to an internet gateway.", MEND)
    return [
        {"id": name, "zone": described[name]["AvailabilityZone"], "cidr": described[name]["CidrBlock"]} for name in ids
    ]


def vpc(session: Session, name: str) -> dict[str, Any]:
    """The VPC; UserError where the region has none of that name."""
    try:
        return session.items("ec2", "describe_vpcs", "Vpcs", LOOK, VpcIds=[name])[0]
    except AwsError as error:
        if error.code != "InvalidVpcID.NotFound":
            raise
        raise UserError(f"There is no VPC {name} in {session.region}.", MEND) from None


def _described(session: Session, network: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The subnets by id, every one of them there and in the VPC."""
    vpc(session, network)
    try:
        found = session.items("ec2", "describe_subnets", "Subnets", LOOK, SubnetIds=sorted(set(ids)))
    except AwsError as error:
        if error.code != "InvalidSubnetID.NotFound":
            raise
        message = f"{session.region} lacks one of the subnets {', '.join(sorted(set(ids)))}."
        raise UserError(message, MEND) from None
    for subnet in found:
        if subnet["VpcId"] != network:
            raise UserError(f"{_named(subnet)} belongs to {subnet['VpcId']}, not to {network}.", MEND)
    return {subnet["SubnetId"]: subnet for subnet in found}


def _problems(
    subnet: Mapping[str, Any], gateways: Mapping[str, bool], definition: Definition
) -> Iterator[tuple[str, str]]:
    """Why machines cannot go to `subnet`: what it is, and what to do."""
    machines, cidr = definition.network.machines, IPv4Network(subnet["CidrBlock"])
    zones: Sequence[str] = section.of(definition).get("zones", ())
    if not cidr.subnet_of(machines):
        yield f"lies outside of {machines}, the machines' range", "Mend spec.network.machines, or name another subnet."
    if cidr.prefixlen > 27:
        yield "is too small: it takes a /27 or larger", "Name a larger subnet in providers.aws.vpc."
    if zones and subnet["AvailabilityZone"] not in zones:
        message = f"is in {subnet['AvailabilityZone']}, which providers.aws.zones does not have"
        yield message, "Add that zone, or leave zones out: they are those of the subnets."
    if subnet.get("MapPublicIpOnLaunch") or _leads_out(subnet["SubnetId"], gateways):
        yield "is a public subnet, and machines go to private ones", "Name private subnets, and it as public_subnets."


def _gateways(session: Session, network: str) -> dict[str, bool]:
    """Subnet id, or "" for the rest of the VPC -> whether its default route leads to an internet gateway."""
    filters = [{"Name": "vpc-id", "Values": [network]}]
    tables = session.items("ec2", "describe_route_tables", "RouteTables", LOOK, Filters=filters)
    found = {}
    for table in tables:
        out = any(str(route.get("GatewayId", "")).startswith("igw-") for route in table.get("Routes", ()))
        for association in table.get("Associations", ()):
            if "SubnetId" in association:
                found[association["SubnetId"]] = out
            elif association.get("Main"):
                found[""] = out
    return found


def _leads_out(subnet: str, gateways: Mapping[str, bool]) -> bool:
    return gateways.get(subnet, gateways.get("", False))


def _named(subnet: Mapping[str, Any]) -> str:
    return f"Subnet {subnet['SubnetId']} ({subnet['CidrBlock']})"
