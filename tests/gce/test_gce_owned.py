"""What looks like a cluster's own and is not stays; what is its own goes though half of it is gone already."""

import io

import pytest

from generator.cli.phases import Phases
from providers import load
from tests.gce.cloud import PROJECT, REGION, ZONES

OWN = {"anywhere-cluster": "star-wars"}
OTHERS = {"anywhere-cluster": "star"}
CSI = '{"kubernetes.io/created-for/pvc/name":"data","storage.gke.io/created-by":"pd.csi.storage.gke.io"}'
SERVICE = '{"kubernetes.io/service-name":"default/web"}'
NETWORK = f"https://www.googleapis.com/compute/v1/projects/{PROJECT}/global/networks"
GONE = (
    f"https://www.googleapis.com/compute/v1/projects/{PROJECT}/zones/{ZONES[1]}/instances/star-wars-worker-general-gone"
)
SHARED = {"network": {"name": "shared", "subnetwork": "kubernetes"}}


@pytest.fixture
def provider():
    return load("gce")


@pytest.fixture
def worker(cloud):
    return cloud.add("instances", "star-wars-worker-general-a", ZONES[0], labels=OWN, status="RUNNING")


def names(cloud, kind):
    return [thing["name"] for thing in cloud.things.get(kind, ())]


def release(provider, definition):
    said = io.StringIO()
    provider.delete_created_by_cluster(definition, Phases(said))
    return said.getvalue()


def test_a_volume_that_bears_another_clusters_label_stays(cloud, provider, define, worker):
    cloud.add("disks", "pvc-held", ZONES[0], users=[worker], description=CSI, labels=OTHERS)
    cloud.add(
        "disks", "pvc-loose", ZONES[0], description=CSI, labels={**OTHERS, "kubernetes-io-cluster-star-wars": "owned"}
    )
    assert release(provider, define()) == ""
    assert names(cloud, "disks") == ["pvc-held", "pvc-loose"]


@pytest.mark.parametrize("labels", [OWN, {"kubernetes-io-cluster-star-wars": "owned"}])
def test_a_loose_volume_of_another_region_is_a_namesakes(cloud, provider, define, worker, labels):
    cloud.zones["us-east1-c"] = "UP"
    cloud.add("disks", "pvc-there", "us-east1-c", description=CSI, labels=labels)
    assert release(provider, define(**SHARED)) == ""
    assert names(cloud, "disks") == ["pvc-there"]


def test_a_group_that_has_lost_its_machines_does_not_keep_its_balancer(cloud, provider, define, worker):
    full = cloud.add("instanceGroups", "k8s-ig--1", ZONES[0], members=[worker], network=f"{NETWORK}/star-wars")
    empty = cloud.add("instanceGroups", "k8s-ig--1", ZONES[1], members=[], network=f"{NETWORK}/star-wars")
    cloud.add("instanceGroups", "k8s-ig--2", ZONES[1], members=[], network=f"{NETWORK}/other")
    service = cloud.add("backendServices", "c1", REGION, backends=[{"group": full}, {"group": empty}])
    cloud.add("forwardingRules", "c1", REGION, backendService=service)
    release(provider, define())
    assert names(cloud, "backendServices") == names(cloud, "forwardingRules") == []
    assert names(cloud, "instanceGroups") == ["k8s-ig--2"]


def test_in_a_shared_network_an_empty_group_may_be_anybodys(cloud, provider, define, worker):
    empty = cloud.add("instanceGroups", "k8s-ig--1", ZONES[1], members=[], network=f"{NETWORK}/shared")
    cloud.add("backendServices", "c1", REGION, backends=[{"group": empty}])
    release(provider, define(**SHARED))
    assert names(cloud, "backendServices") == ["c1"]


@pytest.mark.parametrize("members", [[], [GONE]])
def test_a_pool_whose_machines_are_gone_is_known_by_its_firewall_rule(cloud, provider, define, worker, members):
    pool = cloud.add("targetPools", "a1", REGION, instances=members, description=SERVICE)
    cloud.add("targetPools", "b1", REGION, instances=members, description=SERVICE)
    cloud.add("forwardingRules", "a1", REGION, target=pool)
    cloud.add("firewalls", "k8s-fw-a1", network=f"{NETWORK}/star-wars", description=SERVICE)
    cloud.add("firewalls", "k8s-fw-b1", network=f"{NETWORK}/other", description=SERVICE)
    release(provider, define())
    assert names(cloud, "targetPools") == ["b1"]
    assert names(cloud, "forwardingRules") == []
    assert names(cloud, "firewalls") == ["k8s-fw-b1"]


def test_in_a_shared_network_a_firewall_rule_proves_nothing(cloud, provider, define, worker):
    cloud.add("targetPools", "a1", REGION, instances=[GONE], description=SERVICE)
    cloud.add("firewalls", "k8s-fw-a1", network=f"{NETWORK}/shared", description=SERVICE)
    release(provider, define(**SHARED))
    assert names(cloud, "targetPools") == ["a1"] and names(cloud, "firewalls") == ["k8s-fw-a1"]


def test_an_address_that_a_controller_reserved_goes_with_its_balancer(cloud, provider, define, worker):
    pool = cloud.add("targetPools", "a1", REGION, instances=[worker], description=SERVICE)
    cloud.add("forwardingRules", "a1", REGION, target=pool)
    cloud.add("addresses", "a1", REGION, description=SERVICE)
    cloud.add("addresses", "b1", REGION, description=SERVICE)
    cloud.add("addresses", "by-hand", REGION)
    release(provider, define())
    assert names(cloud, "addresses") == ["b1", "by-hand"]


def test_an_address_that_a_person_reserved_stays_whatever_its_name(cloud, provider, define, worker):
    cloud.add("targetPools", "a1", REGION, instances=[worker], description=SERVICE)
    cloud.add("addresses", "a1", REGION, description="ours for years")
    release(provider, define())
    assert names(cloud, "addresses") == ["a1"]


def test_rules_of_a_balancer_are_known_by_its_service_where_backends_are_shared(cloud, provider, define, worker):
    group = cloud.add("instanceGroups", "k8s-ig--1", ZONES[0], members=[worker], network=f"{NETWORK}/shared")
    name = "k8s-1-internal-tcp-nmv1-da39a3ee5e6b4b0d"
    service = cloud.add("backendServices", name, REGION, backends=[{"group": group}])
    cloud.add("forwardingRules", "c1", REGION, backendService=service)
    cloud.add("firewalls", "k8s-fw-c1", network=f"{NETWORK}/shared", description=SERVICE)
    cloud.add("firewalls", "k8s-fw-d1", network=f"{NETWORK}/shared", description=SERVICE)
    release(provider, define(**SHARED))
    assert names(cloud, "backendServices") == [] and names(cloud, "firewalls") == ["k8s-fw-d1"]
