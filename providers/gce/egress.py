"""How machines in a network that was there reach Google's services: by a route, Cloud NAT or Private Google Access."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from generator.definition import Definition
from generator.errors import UserError
from providers.checks import Uncertain
from providers.gce import section, subnetworks
from providers.gce.session import Session, last

LOOK = "see whether machines find a way out of the network"
HOPS = (
    *("next_hop_instance", "next_hop_ilb", "next_hop_ip", "next_hop_vpn_tunnel", "next_hop_peering", "next_hop_hub"),
    "next_hop_interconnect_attachment",
)
ANYWHERE = "0.0.0.0/0"
ALL, PRIMARY = "ALL_SUBNETWORKS_ALL_IP_RANGES", "ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES"


def way_out(session: Session, definition: Definition, routes: Sequence[Any]) -> str:
    """Machines, which have no public addresses, reach what they are made of; `routes` are the network's.

    A default route to anything of the user's will do: it may be a firewall.
    """
    network = section.network(definition)
    name = network.subnetwork
    used = [route for route in routes if _is_used(route)]
    defaults = sorted((route for route in used if route.dest_range == ANYWHERE), key=lambda route: int(route.priority))
    if defaults and (hop := _hop(defaults[0])):
        return f"{name} by route {defaults[0].name} to {last(hop)}"
    gateway = any(route.next_hop_gateway for route in used)
    routers = _routers(session, network.name)
    nats = [nat for router in routers if last(router.region) == session.region for nat in router.nats]
    covering = [nat.name for nat in nats if _covers(nat, name)]
    google = bool(subnetworks.described(session, name).private_ip_google_access)
    if gateway and covering:
        return f"{name} by Cloud NAT {covering[0]}"
    if gateway and google:
        return f"{name} reaches Google's services, and no others: there is no Cloud NAT for it"
    # What BGP teaches is in no list of routes, and an endpoint for Google's services needs none.
    doubt = google or any(router.bgp_peers for router in routers) or any(_hop(route) for route in used)
    why, hint = _unrouted(session, definition) if covering or google else _closed(session, name)
    verb = "may not" if doubt else "cannot"
    raise (Uncertain if doubt else UserError)(f"Machines in {name} {verb} reach Google's services: {why}.", hint)


def _unrouted(session: Session, definition: Definition) -> tuple[str, str]:
    """Why Cloud NAT and Private Google Access do nothing, and the remedy."""
    network = section.network(definition).name
    return (
        f"{network} has no route to the internet gateway, which Cloud NAT and Private Google Access go by",
        f"gcloud compute routes create {network}-default --network {network} --project {session.host} "
        "--destination-range 0.0.0.0/0 --next-hop-gateway default-internet-gateway",
    )


def _closed(session: Session, name: str) -> tuple[str, str]:
    """Why nothing gets out, and the remedy."""
    return (
        "it has neither Private Google Access nor Cloud NAT, and no default route leads elsewhere",
        f"gcloud compute networks subnets update {name} --region {session.region} --project {session.host} "
        "--enable-private-ip-google-access",
    )


def _routers(session: Session, network: str) -> list[Any]:
    """Those of the network, in every region: what they learn may be for all of them."""
    found = session.items("RoutersClient", "aggregated_list", LOOK, project=session.host)
    return [router for router in found if last(router.network) == network]


def _is_used(route: Any) -> bool:
    """Whether machines of ours, which have no tags, go by it, and something is at its end."""
    dead = route.route_status in ("DROPPED", "INACTIVE") or _warned(route.warnings)
    return not route.tags and ":" not in route.dest_range and not dead


def _warned(warnings: Iterable[Any]) -> bool:
    return any(warning.code.startswith("NEXT_HOP_") for warning in warnings)


def _hop(route: Any) -> str:
    """What it leads to, "" where that is the network itself or the internet gateway."""
    return next((str(hop) for key in HOPS if (hop := getattr(route, key))), "")


def _covers(nat: Any, subnetwork: str) -> bool:
    """Whether it translates the addresses of machines in `subnetwork`, to public ones."""
    if nat.type_ not in ("", "PUBLIC"):
        return False
    listed = {last(each.name): each.source_ip_ranges_to_nat for each in nat.subnetworks}
    return nat.source_subnetwork_ip_ranges_to_nat in (ALL, PRIMARY) or bool(
        {"ALL_IP_RANGES", "PRIMARY_IP_RANGE"} & set(listed.get(subnetwork, ()))
    )
