"""Subnets of a VPC that was there before the cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network
from typing import Any

from generator.definition import Definition
from generator.errors import UserError
from providers import locked
from providers.aws import section
from providers.aws.refusal import AwsError
from providers.aws.session import Session

LOOK = "look at the VPC that the definition names"
FIX = "Fix providers.aws.vpc."
Table = Mapping[str, Any]  # a route table, as EC2 describes it


def chosen(session: Session, definition: Definition) -> list[dict[str, str]]:
    """The private subnets that machines go to, in the definition's order: id, zone, cidr. UserError where unfit."""
    existing = section.vpc(definition)
    ids, public = existing.subnets, existing.public_subnets
    described = _described(session, existing.id, [*ids, *public])
    routed = tables(session, existing.id)
    for subnet in (described[name] for name in ids):
        for problem in _problems(subnet, routed, definition):
            raise UserError(f"{_named(subnet)} {problem[0]}.", problem[1])
    for subnet in (described[name] for name in public):
        if not _public(subnet["SubnetId"], routed):
            raise UserError(f"{_named(subnet)} is not a public subnet: no route leads to an internet gateway.", FIX)
    if locked.balanced(definition, section.of(definition)):
        _check_balanced([described[name] for name in public or ids])
    return [
        {"id": name, "zone": described[name]["AvailabilityZone"], "cidr": described[name]["CidrBlock"]} for name in ids
    ]


def _check_balanced(subnets: Sequence[Mapping[str, Any]]) -> None:
    """UserError where the API's load balancer would have two of `subnets` in one zone: AWS takes one per zone."""
    seen: dict[str, Mapping[str, Any]] = {}
    for subnet in subnets:
        zone = subnet["AvailabilityZone"]
        if zone in seen:
            raise UserError(
                f"{_named(seen[zone])} and {_named(subnet)} are both in {zone}; a load balancer takes one per zone.",
                "Name one subnet per zone in providers.aws.vpc.public_subnets, or write load_balancer: false.",
            )
        seen[zone] = subnet


def vpc(session: Session, name: str) -> dict[str, Any]:
    """The VPC; UserError where the region has none of that name."""
    try:
        return session.items("ec2", "describe_vpcs", "Vpcs", LOOK, VpcIds=[name])[0]
    except AwsError as error:
        if error.code != "InvalidVpcID.NotFound":
            raise
        raise UserError(f"There is no VPC {name} in {session.region}.", FIX) from None


def tables(session: Session, network: str) -> list[Table]:
    """The route tables of the VPC."""
    filters = [{"Name": "vpc-id", "Values": [network]}]
    return list(session.items("ec2", "describe_route_tables", "RouteTables", LOOK, Filters=filters))


def table(subnet: str, routed: Sequence[Table]) -> Table:
    """Which of the tables is that of `subnet`: its own, else the VPC's main one; {} where neither is among them."""
    main: Table = {}
    for each in routed:
        for association in each.get("Associations", ()):
            if association.get("SubnetId") == subnet:
                return each
            if association.get("Main"):
                main = each
    return main


def _described(session: Session, network: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The subnets by id, every one of them there and in the VPC."""
    vpc(session, network)
    try:
        found = session.items("ec2", "describe_subnets", "Subnets", LOOK, SubnetIds=sorted(set(ids)))
    except AwsError as error:
        if error.code != "InvalidSubnetID.NotFound":
            raise
        message = f"{session.region} lacks one of the subnets {', '.join(sorted(set(ids)))}."
        raise UserError(message, FIX) from None
    for subnet in found:
        if subnet["VpcId"] != network:
            raise UserError(f"{_named(subnet)} belongs to {subnet['VpcId']}, not to {network}.", FIX)
    return {subnet["SubnetId"]: subnet for subnet in found}


def _problems(subnet: Mapping[str, Any], routed: Sequence[Table], definition: Definition) -> Iterator[tuple[str, str]]:
    """Why machines cannot go to `subnet`: what it is, and what to do."""
    machines, cidr = definition.network.machines, IPv4Network(subnet["CidrBlock"])
    zones = section.of(definition).zones
    if not cidr.subnet_of(machines):
        yield f"lies outside of {machines}, the machines' range", "Fix spec.network.machines, or name another subnet."
    if cidr.prefixlen > 27:
        yield "is too small: it takes a /27 or larger", "Name a larger subnet in providers.aws.vpc."
    if zones and subnet["AvailabilityZone"] not in zones:
        message = f"is in {subnet['AvailabilityZone']}, which providers.aws.zones does not have"
        yield message, "Add that zone, or leave zones out: they are those of the subnets."
    if subnet.get("MapPublicIpOnLaunch") or _public(subnet["SubnetId"], routed):
        yield "is a public subnet, and machines go to private ones", "Name private subnets, and it as public_subnets."


def _public(subnet: str, routed: Sequence[Table]) -> bool:
    """Whether a route leads from `subnet` to an internet gateway."""
    return any(str(route.get("GatewayId", "")).startswith("igw-") for route in table(subnet, routed).get("Routes", ()))


def _named(subnet: Mapping[str, Any]) -> str:
    return f"Subnet {subnet['SubnetId']} ({subnet['CidrBlock']})"
