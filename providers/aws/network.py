"""Names, ranges and addresses: what the cluster's would clash with.

Each function says what it found, and raises UserError where it does not suit the cluster.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network
from typing import Any

from generator.definition import Definition
from generator.errors import UserError
from providers import checks
from providers.aws import section, subnets
from providers.aws.facts import account
from providers.aws.machines import CLUSTER, instances, tags
from providers.aws.refusal import AwsError
from providers.aws.session import Session

LOOK = "see what its network would clash with"


def others(session: Session, definition: Definition) -> str:
    """Other VPCs of the region may have the same range: that is allowed, but the two can never be joined."""
    machines = definition.network.machines
    found = session.items("ec2", "describe_vpcs", "Vpcs", LOOK)
    same = [
        vpc["VpcId"]
        for vpc in found
        if tags(vpc).get(CLUSTER) != definition.name and any(machines.overlaps(cidr) for cidr in _ranges(vpc))
    ]
    if same:
        return f"{', '.join(same)} overlaps with {machines}, which is allowed, but rules out peering with it"
    return f"none has {machines}"


def namesake(session: Session, name: str) -> str:
    """No cluster of the account bears the name in another region: roles and buckets are named for all regions."""
    try:
        found = session.call("s3", "head_bucket", LOOK, Bucket=f"{name}-documents-{account(session)}")
    except AwsError as error:
        if error.code != "404":
            raise
        return f"no other region has a cluster {name}"
    region = found.get("BucketRegion", session.region)
    if region != session.region:
        raise UserError(
            f"There is a cluster {name} in {region}, and IAM's roles and the names of buckets are the same everywhere.",
            "Give this one another metadata.name.",
        )
    return f"no other region has a cluster {name}"


def endpoint(session: Session, definition: Definition) -> str:
    """A VPC that was there has room for the cluster's endpoint for ssh: AWS grants one a VPC."""
    name = section.vpc(definition).id
    filters = [{"Name": "vpc-id", "Values": [name]}]
    found = session.items(
        "ec2", "describe_instance_connect_endpoints", "InstanceConnectEndpoints", LOOK, Filters=filters
    )
    others = [end["InstanceConnectEndpointId"] for end in found if tags(end).get(CLUSTER) != definition.name]
    if others:
        raise UserError(
            f"{name} has an EC2 Instance Connect Endpoint already, {others[0]}, and AWS grants one a VPC.",
            "Leave spec.access.ssh_keys out, or delete that endpoint.",
        )
    return f"{name} has none yet" if not found else f"{name} has the cluster's own"


def existing(session: Session, definition: Definition) -> str:
    """The VPC and subnets that the definition names are fit for the cluster."""
    name, found = section.vpc(definition).id, subnets.chosen(session, definition)
    return f"{name}: " + ", ".join(f"{subnet['id']} ({subnet['cidr']}, {subnet['zone']})" for subnet in found)


def ranges(session: Session, definition: Definition, tables: Sequence[subnets.Table]) -> str:
    """Neither pods nor Services have addresses that the VPC has, or has routes to."""
    name = section.vpc(definition).id
    taken = [(cidr, f"a range of {name}") for cidr in _ranges(subnets.vpc(session, name))]
    taken += list(_routes(tables))
    return checks.free_ranges(definition, name, taken)


def free(session: Session, definition: Definition, fixed: Mapping[str, str]) -> str:
    """Nobody else has the addresses (address -> machine) that the cluster's machines always have."""
    ids = list(section.vpc(definition).subnets)
    filters = [
        {"Name": "subnet-id", "Values": ids},
        {"Name": "addresses.private-ip-address", "Values": sorted(fixed)},
    ]
    own = {instance["InstanceId"] for instance in instances(session, definition.name, LOOK)}
    for interface in session.items("ec2", "describe_network_interfaces", "NetworkInterfaces", LOOK, Filters=filters):
        if interface.get("Attachment", {}).get("InstanceId") in own:
            continue
        held = {address["PrivateIpAddress"] for address in interface["PrivateIpAddresses"]} & fixed.keys()
        if held:
            address = min(held)
            raise UserError(
                f"{address}, which {fixed[address]} is to have, belongs to {interface['NetworkInterfaceId']} already.",
                "Free that address, or name another subnet in providers.aws.vpc.subnets.",
            )
    return f"those of {', '.join(fixed.values())} are free"


def _ranges(vpc: Mapping[str, Any]) -> Iterator[IPv4Network]:
    yield IPv4Network(vpc["CidrBlock"])
    for block in vpc.get("CidrBlockAssociationSet", ()):
        if block["CidrBlock"] != vpc["CidrBlock"] and block.get("CidrBlockState", {}).get("State") == "associated":
            yield IPv4Network(block["CidrBlock"])


def _routes(tables: Sequence[subnets.Table]) -> Iterator[tuple[IPv4Network, str]]:
    """Where the VPC's routes lead outside of it, except for the default route."""
    for table in tables:
        for route in table.get("Routes", ()):
            cidr = route.get("DestinationCidrBlock", "0.0.0.0/0")
            if cidr != "0.0.0.0/0" and route.get("GatewayId") != "local":
                yield IPv4Network(cidr), f"where a route of {table['RouteTableId']} leads"
