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
from providers.gce import section, subnetworks
from providers.gce.machines import CLUSTER
from providers.gce.session import Session, last

LOOK = "see what its network would clash with"
BUCKETS = "https://storage.googleapis.com/storage/v1/b"


def namesake(session: Session, name: str, number: str) -> str:
    """No cluster of the project bears the name in another region: networks and accounts are named for all regions."""
    found = session.rest(LOOK, "GET", f"{BUCKETS}/{name}-documents-{number}", accepted=(404,)) or {}
    region = str(found.get("location", session.region)).lower()
    if region != session.region:
        raise UserError(
            f"There is a cluster {name} in {region}, and names of networks, accounts and buckets are the same in all "
            f"regions of project {session.project}.",
            "Give this one another metadata.name.",
        )
    return f"no other region has a cluster {name}"


def own(session: Session, definition: Definition) -> str:
    """A network of the cluster's name that is not of the cluster is in the way.

    Networks have no labels. One without addresses of the cluster may be what an apply that was cut off had made.
    """
    name = definition.name
    if not any(network.name == name for network in session.items("NetworksClient", "list", LOOK)):
        return f"{name} with {definition.network.machines} is to be made"
    if session.items("AddressesClient", "aggregated_list", LOOK, filter=f"labels.{CLUSTER} = {name}"):
        return f"{name} with {definition.network.machines} is there"
    if strange := sorted(_subnetworks(session, name) - {f"{name}-machines", f"{name}-workers"}):
        raise UserError(
            f"Project {session.project} has a network {name} already, with subnetwork {strange[0]}, which is not of "
            "this cluster.",
            "Remove that network, or give the cluster another metadata.name.",
        )
    raise checks.Uncertain(
        f"Project {session.project} has a network {name} already, with no addresses of this cluster.",
        "Run on if an apply of this cluster was cut off; else give the cluster another metadata.name.",
    )


def _subnetworks(session: Session, network: str) -> set[str]:
    """Names of the network's subnetworks, in every region."""
    found = session.items("SubnetworksClient", "aggregated_list", LOOK)
    return {subnetwork.name for subnetwork in found if last(subnetwork.network) == network}


def existing(session: Session, definition: Definition) -> str:
    """The network and subnetwork that the definition names are fit for the cluster."""
    (chosen,) = subnetworks.chosen(session, definition)
    return f"{section.network(definition).name}: {chosen['id']} ({chosen['cidr']})"


def ranges(session: Session, definition: Definition, routes: Sequence[Any]) -> str:
    """Neither pods nor Services have addresses that the network has, or has routes to."""
    name = section.network(definition).name
    return checks.free_ranges(definition, name, [*_taken(session, name), *_leading(routes)])


def routes(session: Session, name: str) -> list[Any]:
    """The routes of the network."""
    return [
        route
        for route in session.items("RoutesClient", "list", LOOK, project=session.host)
        if last(route.network) == name
    ]


def _taken(session: Session, name: str) -> Iterator[tuple[IPv4Network, str]]:
    """Ranges of the network's subnetworks, in every region."""
    for subnetwork in session.items("SubnetworksClient", "aggregated_list", LOOK, project=session.host):
        if last(subnetwork.network) == name:
            cidrs = (subnetwork.ip_cidr_range, *(more.ip_cidr_range for more in subnetwork.secondary_ip_ranges))
            yield from ((IPv4Network(cidr), f"a range of subnetwork {subnetwork.name}") for cidr in cidrs if cidr)


def _leading(routes: Sequence[Any]) -> Iterator[tuple[IPv4Network, str]]:
    """Where the network's routes lead outside of it, except for the default route."""
    for route in routes:
        away = not route.next_hop_network and ":" not in route.dest_range
        if away and route.dest_range != "0.0.0.0/0":
            yield IPv4Network(route.dest_range), f"where route {route.name} leads"


def free(session: Session, definition: Definition, fixed: Mapping[str, str]) -> str:
    """Nobody else has the addresses (address -> machine) that the cluster's machines always have."""
    for address, holder in _held(session, definition):
        if address in fixed:
            raise UserError(
                f"{address}, which {fixed[address]} is to have, belongs to {holder} already.",
                "Free that address, or name another subnetwork in providers.gce.network.",
            )
    return f"those of {', '.join(fixed.values())} are free"


def _held(session: Session, definition: Definition) -> Iterator[tuple[str, str]]:
    """Addresses of the network, or reserved in its subnetwork, and who has them, except the cluster itself."""
    for instance in session.items("InstancesClient", "aggregated_list", LOOK):
        if instance.labels.get(CLUSTER) != definition.name:
            for interface in instance.network_interfaces:
                if last(interface.network) == section.network(definition).name:
                    yield interface.network_i_p, f"machine {instance.name}"
    subnetwork = section.network(definition).subnetwork
    for address in session.items("AddressesClient", "aggregated_list", LOOK):
        if last(address.subnetwork) == subnetwork and address.labels.get(CLUSTER) != definition.name:
            yield address.address, f"the reserved address {address.name}"
