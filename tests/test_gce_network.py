"""The network of modules/gce: what Google's firewall lets through by the rules that Terraform makes."""

from ipaddress import IPv4Address, IPv4Network

import pytest

from tests import firewall
from tests.clouds import FACTS as ALL_FACTS
from tests.clouds import Applied
from tests.gce_clusters import CLUSTERS, started

pytest_plugins = ["tests.gce_fixtures"]

ZONES = ALL_FACTS["gce"]["zones"]
NETWORK = IPv4Network("10.20.0.0/16")


def roles(cluster: Applied) -> list[str]:
    return list(cluster.all("google_service_account.role"))


def reaches(cluster: Applied, source: str, target: str, protocol: str, port: int) -> bool:
    """Whether one may begin a connection to the other: each is a role, or else an address outside."""
    accounts = {role: account["email"] for role, account in cluster.all("google_service_account.role").items()}
    addresses = {"etcd": "10.20.0.10", "master": "10.20.1.10", "worker": "10.20.128.9"}
    source_address, target_address = (addresses.get(who, who) for who in (source, target))
    ends = (accounts.get(source, ""), accounts.get(target, ""))
    connection = firewall.Connection(source_address, target_address, protocol, port, *ends)
    return firewall.passes(cluster.of_type("google_compute_firewall"), connection)


@pytest.mark.parametrize("name", [name for name in CLUSTERS if name != "existing"])
def test_subnetworks_are_apart_and_hold_their_machines(gce, name):
    cluster = gce(name)
    subnetworks = cluster.all("google_compute_subnetwork.cluster")
    machines, workers = (IPv4Network(subnetworks[who]["ip_cidr_range"]) for who in ("machines", "workers"))
    assert machines.subnet_of(NETWORK) and workers.subnet_of(NETWORK) and not machines.overlaps(workers)
    for machine in cluster.all("google_compute_instance.machine").values():
        (interface,) = machine["network_interface"]
        assert interface["subnetwork"] == subnetworks["machines"]["id"]
        # Google keeps the first two addresses of a subnetwork and the last two.
        assert IPv4Address(interface["network_ip"]) in list(machines)[2:-2]
    for template in cluster.all("google_compute_region_instance_template.pool").values():
        assert template["network_interface"][0]["subnetwork"] == subnetworks["workers"]["id"]
    for subnetwork in subnetworks.values():
        assert subnetwork["private_ip_google_access"] is True
        assert len(subnetwork["log_config"]) == 1


@pytest.mark.parametrize(("name", "gateways"), [("closed", 0), ("star-wars", 1)])
def test_nat(gce, name, gateways):
    assert len(gce(name).of_type("google_compute_router_nat")) == gateways
    assert len(gce(name).of_type("google_compute_router")) == gateways


def test_an_existing_network_is_used_as_it_is(gce):
    cluster = gce("existing")
    networking = ("google_compute_network", "google_compute_subnetwork", "google_compute_router")
    assert not any(cluster.of_type(kind) for kind in (*networking, "google_compute_router_nat"))
    subnetwork = "projects/galaxy-1138/regions/europe-west1/subnetworks/kubernetes"
    assert {shape["network_interface"][0]["subnetwork"] for shape in started(cluster)} == {subnetwork}
    machines = cluster.all("google_compute_instance.machine")
    assert {name: m["network_interface"][0]["network_ip"] for name, m in machines.items()} == {
        f"master{number}": f"10.20.64.{20 + number}" for number in (1, 2, 3)
    }
    rules = cluster.of_type("google_compute_firewall")
    assert {rule["network"] for rule in rules} == {"projects/galaxy-1138/global/networks/shared"}
    assert all(rule["target_service_accounts"] for rule in rules)


@pytest.mark.parametrize("name", CLUSTERS)
def test_nothing_is_open_to_the_world_unless_the_definition_says_so(gce, name):
    rules = gce(name).of_type("google_compute_firewall")
    open_to = {
        each
        for rule in rules
        if rule["direction"] == "INGRESS" and rule["allow"]
        for each in rule["source_ranges"] or ()
    }
    assert ("0.0.0.0/0" in open_to) == (name == "open")
    for role in roles(gce(name)):
        for port in (22, 443, 2379, 6443, 6783, 10250):
            seen = reaches(gce(name), "198.51.100.7", role, "tcp", port)
            assert seen == (name == "open" and role == "master" and port == 6443)
    assert all(rule["log_config"] for rule in rules)


def test_google_sees_whether_workers_live(gce):
    assert all(reaches(gce("ha"), prober, "worker", "tcp", 10250) for prober in ("35.191.0.1", "130.211.0.1"))
    assert not reaches(gce("ha"), "35.191.0.1", "worker", "tcp", 22)


def test_the_api_is_for_those_whom_the_definition_names(gce):
    assert reaches(gce("ha"), "203.0.113.9", "master", "tcp", 6443)
    assert not reaches(gce("ha"), "203.0.113.9", "worker", "tcp", 6443)
    assert not reaches(gce("ha"), "203.0.113.9", "master", "tcp", 22)


@pytest.mark.parametrize("name", CLUSTERS)
def test_https_is_the_only_way_out(gce, name):
    for role in roles(gce(name)):
        assert reaches(gce(name), role, "198.51.100.7", "tcp", 443)
        assert not any(reaches(gce(name), role, "198.51.100.7", "tcp", port) for port in (22, 80, 6783))
        assert not reaches(gce(name), role, "198.51.100.7", "udp", 443)


WEAVE = [("tcp", 6783), ("udp", 6783), ("udp", 6784), ("esp", 0)]
ROLES = ("etcd", "master", "worker")


@pytest.mark.parametrize(("protocol", "port"), WEAVE)
def test_weave_is_all_that_machines_say_to_each_other(gce, protocol, port):
    pairs = [(one, other) for one in ROLES for other in ROLES]
    assert all(reaches(gce("star-wars"), *pair, protocol, port) for pair in pairs)
    assert not any(reaches(gce("star-wars"), *pair, "tcp", each) for pair in pairs for each in (22, 2379, 6443, 10250))
    assert not any(reaches(gce("flannel"), *pair, protocol, port) for pair in pairs)


@pytest.mark.parametrize(
    ("port", "pairs"),
    [
        (2379, {("master", "etcd"), ("etcd", "etcd")}),
        (2380, {("etcd", "etcd")}),
        (6443, {("etcd", "master"), ("master", "master"), ("worker", "master")}),
        (10250, {("master", "master"), ("master", "worker")}),
        (22, set()),
    ],
)
def test_under_flannel_each_port_is_for_those_who_need_it(gce, port, pairs):
    seen = {(a, b) for a in ROLES for b in ROLES if reaches(gce("flannel"), a, b, "tcp", port)}
    assert seen == pairs


def test_ssh_comes_in_by_the_tunnel_where_there_are_keys(gce):
    cluster = gce("spot")
    assert all(reaches(cluster, "35.235.240.1", role, "tcp", 22) for role in ROLES)
    assert not reaches(gce("star-wars"), "35.235.240.1", "master", "tcp", 22)
    ssh = "gcloud compute ssh star-wars-master1 --tunnel-through-iap --project galaxy-1138 --zone europe-west1-b"
    assert cluster.outputs()["machines"]["master1"]["ssh"] == ssh
    assert gce("star-wars").outputs()["machines"]["master1"]["ssh"] is None


def test_the_load_balancer_leads_to_every_master(gce):
    cluster = gce("ha")
    rule, service = (
        cluster.one("google_compute_forwarding_rule.api"),
        cluster.one("google_compute_region_backend_service.api"),
    )
    assert (rule["load_balancing_scheme"], rule["ports"], rule["backend_service"]) == (
        "EXTERNAL",
        ["6443"],
        service["id"],
    )
    groups = cluster.all("google_compute_instance_group.api")
    assert sorted(groups) == ZONES
    assert {backend["group"] for backend in service["backend"]} == {group["id"] for group in groups.values()}
    machines = cluster.all("google_compute_instance.machine").values()
    by_zone = {zone: set(group["instances"]) for zone, group in groups.items()}
    assert by_zone == {zone: {m["self_link"] for m in machines if m["zone"] == zone} for zone in ZONES}
    for prober in ("35.191.0.1", "209.85.152.1", "209.85.204.1"):
        assert reaches(cluster, prober, "master", "tcp", 6443)
    assert cluster.outputs()["api"] == f"https://{cluster.one('google_compute_address.api')['address']}:6443"


def test_without_a_load_balancer_the_api_is_the_first_master(gce):
    assert gce("star-wars").outputs()["api"] == "https://10.20.1.10:6443"
    for kind in ("forwarding_rule", "region_backend_service", "instance_group"):
        assert gce("own-key").all(f"google_compute_{kind}.api") == {}
