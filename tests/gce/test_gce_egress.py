"""The way out of a network that was there before the cluster: Cloud NAT, Private Google Access, or a route."""

import pytest

from tests.gce.checks import refused
from tests.gce.cloud import REGION, SHARED

NAT = {"name": "nat", "type": "PUBLIC", "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES"}
LISTED = "LIST_OF_SUBNETWORKS"


@pytest.fixture
def look(looked, cloud, define):
    """The checks of a cluster in the network."""
    return lambda: looked(define(**SHARED))


@pytest.fixture
def closed(cloud):
    """A network without Private Google Access; its default route leads to the internet gateway."""
    cloud.share(privateIpGoogleAccess=False)
    return cloud


def router(cloud, *nats, region=REGION, network="shared", **fields):
    cloud.add("routers", f"router-{region}", region, network=f"x/networks/{network}", nats=nats, **fields)


def listed(name, ranges):
    subnetwork = {"name": f"https://x/regions/{REGION}/subnetworks/{name}", "sourceIpRangesToNat": [ranges]}
    return NAT | {"sourceSubnetworkIpRangesToNat": LISTED, "subnetworks": [subnetwork]}


def drop_default(cloud):
    cloud.things["routes"] = [route for route in cloud.things["routes"] if route["destRange"] != "0.0.0.0/0"]


def test_private_google_access(existing, look):
    assert look()["way out"].detail == "nodes reaches Google's services, and no others: there is no Cloud NAT for it"


def test_no_way_out_at_all(closed, look):
    check = refused(look(), "way out")
    assert check.detail == (
        "Machines in nodes cannot reach Google's services: it has neither Private Google Access nor Cloud NAT, and no "
        "default route leads elsewhere"
    )
    assert check.hint == (
        "gcloud compute networks subnets update nodes --region europe-west1 --project my-project "
        "--enable-private-ip-google-access"
    )


@pytest.mark.parametrize(
    "nat",
    [
        NAT,
        NAT | {"sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES"},
        listed("nodes", "PRIMARY_IP_RANGE"),
        listed("nodes", "ALL_IP_RANGES"),
    ],
)
def test_cloud_nat(closed, look, nat):
    router(closed, nat)
    assert look()["way out"].detail == "nodes by Cloud NAT nat"


@pytest.mark.parametrize(
    ("nat", "where"),
    [
        (NAT, {"region": "us-east1"}),
        (NAT, {"network": "other"}),
        (NAT | {"type": "PRIVATE"}, {}),
        (listed("others", "ALL_IP_RANGES"), {}),
        (listed("nodes", "LIST_OF_SECONDARY_IP_RANGES"), {}),
    ],
)
def test_cloud_nat_of_something_else(closed, look, nat, where):
    router(closed, nat, **where)
    assert "neither Private Google Access nor Cloud NAT" in refused(look(), "way out").detail


@pytest.mark.parametrize(
    ("hop", "target"),
    [
        ("nextHopInstance", "x/instances/firewall"),
        ("nextHopIlb", "x/forwardingRules/firewall"),
        ("nextHopIp", "firewall"),
        ("nextHopVpnTunnel", "x/vpnTunnels/firewall"),
        ("nextHopPeering", "firewall"),
        ("nextHopHub", "x/hubs/firewall"),
    ],
)
def test_a_default_route_to_something_of_the_users(closed, look, hop, target):
    closed.route("inspected", "0.0.0.0/0", 100, **{hop: target})
    assert look()["way out"].detail == "nodes by route inspected to firewall"


@pytest.mark.parametrize(
    "fields",
    [
        {"warnings": [{"code": "NEXT_HOP_NOT_RUNNING", "message": "it is stopped"}]},
        {"warnings": [{"code": "NEXT_HOP_INSTANCE_NOT_FOUND", "message": "it is gone"}]},
        {"routeStatus": "DROPPED"},
        {"tags": ["inspected"]},  # which machines of ours are not
    ],
)
def test_a_route_that_leads_nowhere(closed, look, fields):
    closed.route("inspected", "0.0.0.0/0", 100, nextHopInstance="x/instances/firewall", **fields)
    assert "no default route leads elsewhere" in refused(look(), "way out").detail


def test_a_default_route_that_is_not_taken(closed, look):
    closed.route("spare", "0.0.0.0/0", 2000, nextHopInstance="x/instances/firewall")
    check = look()["way out"]
    assert (check.ok, check.needed) == (False, False)


def test_ways_by_a_gateway_that_no_route_leads_to(closed, look):
    router(closed, NAT)
    drop_default(closed)
    check = refused(look(), "way out")
    assert check.detail == (
        "Machines in nodes cannot reach Google's services: shared has no route to the internet gateway, which Cloud "
        "NAT and Private Google Access go by"
    )
    assert check.hint.startswith("gcloud compute routes create shared-default --network shared --project my-project ")


def test_private_google_access_without_a_default_route(existing, look):
    drop_default(existing)
    check = look()["way out"]  # there may be an endpoint of the user's for Google's services
    assert (check.ok, check.needed) == (False, False)
    assert "may not reach Google's services: shared has no route" in check.detail
    existing.route("google", "199.36.153.8/30", nextHopGateway="x/gateways/default-internet-gateway")
    assert look()["way out"].ok


def test_what_bgp_teaches_is_not_to_be_seen(closed, look):
    router(closed, region="us-east1", bgpPeers=[{"name": "office"}])
    check = look()["way out"]
    assert (check.ok, check.needed) == (False, False)
    assert check.detail.startswith("Machines in nodes may not reach Google's services: ")


def test_a_route_elsewhere_may_lead_to_a_proxy(closed, look):
    closed.route("office", "10.0.0.0/8", nextHopVpnTunnel="x/vpnTunnels/office")
    check = look()["way out"]
    assert (check.ok, check.needed) == (False, False)


@pytest.mark.parametrize(
    ("pattern", "permission"),
    [
        ("GET .*/global/routes", "compute.routes.list"),
        ("GET .*/aggregated/routers", "compute.routers.list"),
        ("GET .*/subnetworks/nodes", "compute.subnetworks.get"),
    ],
)
def test_what_may_not_be_looked_at_is_a_warning(closed, look, pattern, permission):
    closed.refuse(pattern, 403, "forbidden", f"Required '{permission}' permission for 'projects/my-project/x'")
    check = look()["way out"]
    assert (check.ok, check.needed) == (False, False)
    assert check.detail.startswith(f"Google denies {permission}, which is needed to ")
