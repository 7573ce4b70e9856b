"""How machines in a VPC that was there reach S3 and Secrets Manager: by a default route, or by endpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from generator.definition import Definition
from generator.errors import UserError
from providers.aws import section, subnets
from providers.aws.facts import account
from providers.aws.session import Session
from providers.checks import Uncertain

LOOK = "see whether machines find a way out of the VPC"
SERVICES = {"s3": "S3", "secretsmanager": "Secrets Manager"}  # all that a machine asks for
DNS = {"enableDnsSupport": "--enable-dns-support", "enableDnsHostnames": "--enable-dns-hostnames"}
TARGETS = (
    *("NatGatewayId", "TransitGatewayId", "InstanceId", "NetworkInterfaceId", "GatewayId", "CoreNetworkArn"),
    *("LocalGatewayId", "CarrierGatewayId", "VpcPeeringConnectionId", "OdbNetworkArn"),
)
# By how the target's id begins, why nothing gets out by it.
USELESS = {
    "igw-": "which serves machines with public addresses alone",
    "pcx-": "and a peering carries nothing beyond the other VPC",
}
INSIDE = ("local", "igw-")  # what leads to nobody that could share an endpoint

Route = Mapping[str, Any]
Endpoint = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Subnets that share a route table, {} where none is to be seen."""

    ids: tuple[str, ...]
    table: subnets.Table

    @property
    def name(self) -> str:
        return str(self.table.get("RouteTableId", "their route table"))

    @property
    def out(self) -> str:
        """What the default route leads to, "" where nothing gets out by it."""
        return next((_target(route) for route in self._defaults() if not _flaw(route)), "")

    @property
    def elsewhere(self) -> bool:
        """Whether another route leaves the VPC, such as to one whose endpoints others share."""
        return any(
            route.get("DestinationCidrBlock") and route["State"] == "active" and not _target(route).startswith(INSIDE)
            for route in self._routes()
        )

    @property
    def flaw(self) -> str:
        """Why nothing gets out by the default route."""
        if not self.table:
            return "their route table is not to be seen"
        for route in self._defaults():
            return f"the default route of {self.name} leads to {_target(route)}, {_flaw(route)}"
        return f"{self.name} has no default route"

    def _routes(self) -> Sequence[Route]:
        routes: Sequence[Route] = self.table.get("Routes", ())
        return routes

    def _defaults(self) -> list[Route]:
        return [route for route in self._routes() if route.get("DestinationCidrBlock") == "0.0.0.0/0"]


def way_out(session: Session, definition: Definition, tables: Sequence[subnets.Table]) -> str:
    """Machines, which have no public addresses, get out of each subnet.

    A default route to anything that is up will do: it may be a firewall of the user's.
    """
    vpc = section.vpc(definition)
    name = vpc.id
    _check_dns(session, name, "enableDnsSupport")
    places = _places(vpc.subnets, tables)
    found = [f"{', '.join(place.ids)} by {place.out}" for place in places if place.out]
    if closed := [place for place in places if not place.out]:
        found += _by_endpoints(session, name, closed)
    return "; ".join(found)


def _by_endpoints(session: Session, name: str, closed: Sequence[Place]) -> list[str]:
    """How machines do without a default route."""
    filters = [{"Name": "vpc-id", "Values": [name]}]
    endpoints = session.items("ec2", "describe_vpc_endpoints", "VpcEndpoints", LOOK, Filters=filters)
    found, problems, relied = [], [], []
    for place in closed:
        ends = {service: _serving(endpoints, session.region, service, place) for service in SERVICES}
        if lacks := [service for service, serving in ends.items() if not serving]:
            problems.append(_problem(session, name, place, lacks, endpoints))
        else:
            relied += [serving[0] for serving in ends.values()]
            ids = " and ".join(serving[0]["VpcEndpointId"] for serving in ends.values())
            found.append(f"{', '.join(place.ids)} by {ids}, to {' and '.join(SERVICES.values())} alone")
    if problems:
        raise min(problems, key=lambda problem: isinstance(problem, Uncertain))  # what is certain comes first
    if any(endpoint["VpcEndpointType"] == "Interface" for endpoint in relied):
        _check_dns(session, name, "enableDnsHostnames")
    return found


def _problem(
    session: Session, name: str, place: Place, lacks: Sequence[str], endpoints: Sequence[Endpoint]
) -> UserError:
    """What to say of subnets in which machines do not reach the services that they lack.

    It is only uncertain where there may be endpoints that cannot be seen from here, or names for those that there are.
    """
    region, services = session.region, " and ".join(SERVICES[service] for service in lacks)
    doubt = (
        place.elsewhere
        or place.table.get("OwnerId") != account(session)
        or all(any(_is_interface(end, region, service) for end in endpoints) for service in lacks)
    )
    verb = "may not" if doubt else "cannot"
    kinds = {"s3": f"gateway, with {place.name}", "secretsmanager": "interface, with private DNS"}
    wanted = " and ".join(f"com.amazonaws.{region}.{service} ({kinds[service]})" for service in lacks)
    return (Uncertain if doubt else UserError)(
        f"Machines in {', '.join(place.ids)} {verb} reach {services}: {place.flaw}, and no endpoint in {name} "
        "serves them.",
        f"Give {place.name} a default route (to a NAT gateway, transit gateway or firewall), or {name} endpoints: "
        f"{wanted}.",
    )


def _places(ids: Sequence[str], tables: Sequence[subnets.Table]) -> list[Place]:
    """The subnets by route table."""
    shared: dict[str, list[str]] = {}
    for subnet in ids:
        shared.setdefault(subnets.table(subnet, tables).get("RouteTableId", ""), []).append(subnet)
    return [Place(tuple(group), subnets.table(group[0], tables)) for group in shared.values()]


def _target(route: Route) -> str:
    return next((str(route[key]) for key in TARGETS if route.get(key)), "something unknown")


def _flaw(route: Route) -> str:
    """Why nothing gets out by a default route, "" where something does."""
    if route["State"] != "active":
        return "which is gone"
    return USELESS.get(_target(route)[:4], "")


def _serving(endpoints: Sequence[Endpoint], region: str, service: str, place: Place) -> list[Endpoint]:
    """Those by which machines reach a service under its own name."""
    return [
        endpoint
        for endpoint in endpoints
        if (_is_interface(endpoint, region, service) and _is_named(endpoint))
        or (_is_up(endpoint, region, service) and place.name in endpoint.get("RouteTableIds", ()))
    ]


def _is_up(endpoint: Endpoint, region: str, service: str) -> bool:
    ours = str(endpoint["ServiceName"]).endswith(f".{region}.{service}")
    return ours and endpoint["State"].lower() == "available"


def _is_interface(endpoint: Endpoint, region: str, service: str) -> bool:
    return _is_up(endpoint, region, service) and endpoint["VpcEndpointType"] == "Interface"


def _is_named(endpoint: Endpoint) -> bool:
    """Whether the VPC itself, and not only networks joined to it, finds the endpoint by the service's name."""
    inbound = endpoint.get("DnsOptions", {}).get("PrivateDnsOnlyForInboundResolverEndpoint", False)
    return bool(endpoint.get("PrivateDnsEnabled")) and not inbound


def _check_dns(session: Session, name: str, attribute: str) -> None:
    answer = session.call("ec2", "describe_vpc_attribute", LOOK, VpcId=name, Attribute=attribute)
    if not answer[attribute[0].upper() + attribute[1:]]["Value"]:
        raise UserError(
            f"The VPC {name} has {attribute} off, and machines could not find S3 and Secrets Manager in it.",
            f"Turn it on: aws ec2 modify-vpc-attribute --vpc-id {name} {DNS[attribute]}",
        )
