"""A network that was there before the cluster: what would clash in it, or be out of reach."""

import re

from generator.topology import blocks, lay_out
from providers import load
from tests.gce.checks import refused
from tests.gce.cloud import REGION, SHARED, ZONES


def test_an_existing_network(looked, existing, define):
    found = looked(define(**SHARED))
    assert found["network"].detail == "shared: nodes (10.20.0.0/20)"
    assert found["way out"].detail == "nodes reaches Google's services, and no others: there is no Cloud NAT for it"
    assert found["ranges"].detail == "pods 10.32.0.0/12 and services 10.96.0.0/16 are free in shared"
    assert found["fixed addresses"].detail == "those of etcd1, etcd2, etcd3, master1 are free"
    assert "NETWORKS" not in found["project's quotas"].detail
    assert "IN_USE_ADDRESSES" not in found["region's quotas"].detail


def test_the_network_of_a_host_project_is_looked_up_there(existing, define):
    definition = define(network=SHARED["network"] | {"project": "host-1138"})
    found = {c.subject: c for c in load("gce").preflight(definition, lay_out(definition, blocks(definition, {})))}
    assert found["network"].ok and found["way out"].ok and found["fixed addresses"].ok
    asked = [line for line in existing.asked if re.search("/(subnetworks|routes|routers|firewalls)", line)]
    assert asked and all("/projects/host-1138/" in line for line in asked)
    assert any("/projects/my-project/" in line and "/instances" in line for line in existing.asked)


def test_ranges_that_clash_in_an_existing_network(looked, existing, define):
    existing.add("subnetworks", "other", "us-east1", network="x/networks/shared", ipCidrRange="10.40.0.0/20")
    check = refused(looked(define(**SHARED)), "ranges")
    assert check.detail == "spec.network.pods 10.32.0.0/12 overlaps with 10.40.0.0/20, a range of subnetwork other"
    assert check.hint.startswith("Give pods another range")


def test_ranges_that_clash_with_a_route(looked, existing, define):
    existing.add("routes", "own", network="x/networks/shared", destRange="10.96.0.0/24", nextHopNetwork="x/shared")
    assert looked(define(**SHARED))["ranges"].ok
    existing.add("routes", "office", network="x/networks/shared", destRange="10.96.0.0/24", nextHopVpnTunnel="x/t")
    check = refused(looked(define(**SHARED)), "ranges")
    assert check.detail == "spec.network.services 10.96.0.0/16 overlaps with 10.96.0.0/24, where route office leads"


def test_an_address_that_another_machine_has(looked, existing, define):
    interface = {"network": "x/networks/shared", "networkIP": "10.20.0.10"}
    existing.add("instances", "squatter", ZONES[0], status="RUNNING", networkInterfaces=[interface])
    check = refused(looked(define(**SHARED)), "fixed addresses")
    assert check.detail == "10.20.0.10, which etcd1 is to have, belongs to machine squatter already"


def test_an_address_that_is_reserved(looked, existing, define):
    fields = {"address": "10.20.1.10", "addressType": "INTERNAL", "subnetwork": "x/subnetworks/nodes"}
    existing.add("addresses", "star-wars-master1", REGION, **fields, labels={"anywhere-cluster": "star-wars"})
    assert looked(define(**SHARED))["fixed addresses"].ok
    existing.add("addresses", "printer", REGION, **fields)
    check = refused(looked(define(**SHARED)), "fixed addresses")
    assert check.detail == "10.20.1.10, which master1 is to have, belongs to the reserved address printer already"
