"""What a cluster had made goes before it, and what is left of it is named."""

import io

import pytest

from generator.cli.phases import Phases
from generator.errors import UserError
from providers import waiting
from providers.gce import leftovers, owned
from tests.gce.cloud import NUMBER, PROJECT, REGION, ZONES

OWN = {"anywhere-cluster": "star-wars"}
CSI = '{"kubernetes.io/created-for/pvc/name":"data","storage.gke.io/created-by":"pd.csi.storage.gke.io"}'
SERVICE = '{"kubernetes.io/service-name":"default/web"}'
OTHER = "https://www.googleapis.com/compute/v1/projects/my-project/zones/europe-west1-b/instances/other"


@pytest.fixture
def machine(cloud):
    return cloud.add("instances", "star-wars-worker-general-a", ZONES[0], labels=OWN, status="RUNNING")


@pytest.fixture
def volumes(cloud, machine):
    """Disks of claims, held and not, of one zone and of two; and what is Terraform's or another's."""
    claim = cloud.add("disks", "pvc-1", ZONES[0], users=[machine], description=CSI)
    etcd = cloud.add(
        "disks", "star-wars-etcd1-etcd", ZONES[0], users=[machine], labels=OWN | {"anywhere-name": "etcd1"}
    )
    cloud.add("disks", "pvc-2", ZONES[0], users=[OTHER], description=CSI)
    cloud.add("disks", "pvc-3", ZONES[0], users=[machine, OTHER], description=CSI, labels=OWN)
    cloud.add("disks", "pvc-4", ZONES[1], description=CSI)
    cloud.add("disks", "pvc-5", ZONES[1], description=CSI, labels=OWN)
    cloud.add("disks", "pvc-6", REGION, description=CSI, labels={"kubernetes-io-cluster-star-wars": "owned"})
    cloud.add("disks", "star-wars-worker-general-a", ZONES[0], users=[machine], labels=OWN)
    cloud.things["instances"][0]["disks"] = [
        {"deviceName": "claim", "source": claim},
        {"deviceName": "etcd", "source": etcd},
    ]
    return cloud


@pytest.fixture
def external(cloud, machine):
    """A Service's balancer by a target pool; and what is Terraform's, a person's or another's."""
    check = "https://www.googleapis.com/compute/v1/projects/my-project/global/httpHealthChecks/k8s-1-node"
    pool = cloud.add("targetPools", "a1", REGION, instances=[machine], description=SERVICE, healthChecks=[check])
    cloud.add("targetPools", "b1", REGION, instances=[OTHER], description=SERVICE)
    cloud.add("targetPools", "by-hand", REGION, instances=[machine])
    cloud.add("forwardingRules", "a1", REGION, target=pool)
    cloud.add("forwardingRules", "star-wars-api", REGION, labels=OWN, backendService="x/backendServices/star-wars-api")
    cloud.add("httpHealthChecks", "k8s-1-node")
    cloud.add("firewalls", "k8s-fw-a1", network="x/networks/star-wars")
    cloud.add("firewalls", "k8s-1-node-http-hc", network="x/networks/star-wars")
    cloud.add("firewalls", "star-wars-weave", network="x/networks/star-wars")
    cloud.add("firewalls", "k8s-fw-b1", network="x/networks/other")
    return cloud


@pytest.fixture
def internal(cloud, machine):
    """A Service's balancer inside of the network, by a group that its controller keeps; and Terraform's own."""
    group = cloud.add("instanceGroups", "k8s-ig--1", ZONES[0], members=[machine])
    foreign = cloud.add("instanceGroups", "k8s-ig--2", ZONES[0], members=[OTHER])
    masters = cloud.add("instanceGroups", f"star-wars-api-{ZONES[0]}", ZONES[0], members=[machine])
    check = cloud.add("healthChecks", "c1")
    service = cloud.add("backendServices", "c1", REGION, backends=[{"group": group}], healthChecks=[check])
    cloud.add("backendServices", "d1", REGION, backends=[{"group": foreign}])
    cloud.add("backendServices", "star-wars-api", REGION, backends=[{"group": masters}])
    cloud.add("forwardingRules", "c1", REGION, backendService=service)
    cloud.add("firewalls", "c1", network="x/networks/star-wars", description=SERVICE)
    cloud.add("firewalls", "c1-hc", network="x/networks/star-wars")
    return cloud


def names(cloud, kind):
    return [thing["name"] for thing in cloud.things[kind]]


def release(session, network=""):
    said = io.StringIO()
    owned.release(session, owned.scope(session, "star-wars", network), Phases(said))
    return said.getvalue()


def test_volumes_of_the_cluster_go_and_nothing_else(session, volumes):
    said = release(session)
    kept = ["star-wars-etcd1-etcd", "pvc-2", "pvc-3", "pvc-4", "star-wars-worker-general-a"]
    assert names(volumes, "disks") == kept
    assert all(f"remove disk {name}" in said for name in ("pvc-1", "pvc-5", "pvc-6"))
    assert len([asked for asked in volumes.asked if asked.endswith("/detachDisk")]) == 1


def test_a_balancer_of_a_target_pool_goes_and_nothing_else(session, external):
    said = release(session)
    assert names(external, "targetPools") == ["b1", "by-hand"]
    assert names(external, "forwardingRules") == ["star-wars-api"]
    assert names(external, "httpHealthChecks") == []
    assert names(external, "firewalls") == ["star-wars-weave", "k8s-fw-b1"]
    assert "remove target pool a1" in said and "remove firewall rule k8s-fw-a1" in said


def test_a_balancer_inside_goes_and_nothing_else(session, internal):
    said = release(session)
    assert names(internal, "backendServices") == ["d1", "star-wars-api"]
    assert names(internal, "instanceGroups") == ["k8s-ig--2", f"star-wars-api-{ZONES[0]}"]
    assert names(internal, "forwardingRules") == names(internal, "healthChecks") == names(internal, "firewalls") == []
    assert "remove backend service c1" in said


def test_in_a_shared_network_rules_of_others_stay(session, external):
    for rule in external.things["firewalls"]:
        rule["network"] = "x/networks/shared"
    external.add("firewalls", "k8s-fw-of-another", network="x/networks/shared", description=SERVICE)
    release(session, "shared")
    assert names(external, "firewalls") == ["star-wars-weave", "k8s-fw-b1", "k8s-fw-of-another"]


def test_where_nothing_was_made_nothing_goes(session, cloud):
    assert release(session) == ""
    assert not any(asked.startswith(("DELETE", "POST")) for asked in cloud.asked)


def test_what_is_gone_meanwhile_is_as_wanted(session, external, volumes):
    external.refuse("DELETE .*/targetPools/", 404, "notFound")
    external.refuse("POST .*/detachDisk", 400, "invalid", "The disk is not attached")
    release(session)
    assert "pvc-1" not in names(volumes, "disks")


IN_USE = "The resource 'projects/p/zones/z/disks/pvc-1' is already being used by 'projects/p/zones/z/instances/i'"


def test_what_is_in_use_is_tried_again_for_a_while(session, volumes, monkeypatch):
    monkeypatch.setattr(waiting, "POLL_SECONDS", 0)
    volumes.refuse("DELETE .*/disks/pvc-1$", 400, "resourceInUseByAnotherResource", IN_USE, times=2)
    release(session)
    assert "pvc-1" not in names(volumes, "disks")
    assert len([asked for asked in volumes.asked if asked.endswith("/detachDisk")]) == 3


def test_what_stays_in_use_is_an_error_in_the_end(session, volumes, monkeypatch):
    monkeypatch.setattr(waiting, "LIMIT_SECONDS", 0)
    volumes.fail("DELETE .*/disks/pvc-1$", 400, "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", IN_USE)
    with pytest.raises(UserError) as caught:
        release(session)
    assert caught.value.message == "The disk pvc-1, which the cluster created on Google, is still in use after 0 s."
    assert caught.value.hint.startswith("Run `anywhere destroy` again")


def test_who_may_not_remove_a_volume_is_told_so(session, volumes):
    volumes.refuse("DELETE .*/disks/", 403, "forbidden", "Required 'compute.disks.delete' permission for 'projects/p'")
    with pytest.raises(UserError, match=r"Google denies compute.disks.delete, which is needed to remove what"):
        release(session)


def left(session, network=""):
    return leftovers.lines(session, "star-wars", network)


def test_nothing_is_left(session, cloud):
    cloud.add("networks", "star-wars-ii")
    cloud.add("firewalls", "star-wars-ii-api", network="x/networks/star-wars-ii")
    cloud.accounts.append({"email": "a@p", "displayName": "etcd machines of cluster star-wars-ii"})
    cloud.buckets["star-wars-ii-documents"] = {
        "name": "star-wars-ii-documents",
        "labels": {"anywhere-cluster": "star-wars-ii"},
    }
    assert left(session) == ()


@pytest.fixture
def remains(cloud):
    """One of everything of a cluster; among them two groups of masters, one of which is another cluster's."""
    for kind, where in (
        ("instances", ZONES[0]),
        ("disks", ZONES[1]),
        ("addresses", REGION),
        ("forwardingRules", REGION),
    ):
        cloud.add(kind, f"star-wars-{kind}", where, labels=OWN)
    properties = {"labels": OWN}
    template = cloud.add("instanceTemplates", "star-wars-worker-1", REGION, properties=properties)
    versions = [{"instanceTemplate": template}]
    cloud.add("instanceGroupManagers", "star-wars-worker-general", REGION, versions=versions)
    cloud.add("instanceGroups", f"star-wars-api-{ZONES[0]}", ZONES[0], members=[])
    cloud.add("instanceGroups", f"star-wars-api-x-{ZONES[0]}", ZONES[0], members=[])
    cloud.add("backendServices", "star-wars-api", REGION)
    cloud.add("snapshots", "star-wars-backup", labels=OWN)
    cloud.add("disks", "pvc-7", ZONES[0], labels=OWN, description=CSI)
    cloud.add("healthChecks", "star-wars-api", REGION)
    cloud.add("networks", "star-wars")
    cloud.add("firewalls", "star-wars-weave", network="x/networks/star-wars")
    cloud.add("routers", "star-wars-nat", REGION, network="x/networks/star-wars")
    cloud.add("subnetworks", "star-wars-fixed", REGION, network="x/networks/star-wars")
    cloud.secrets.append({"name": f"projects/{NUMBER}/secrets/star-wars-etcd", "labels": OWN})
    cloud.buckets["star-wars-documents"] = {"name": "star-wars-documents", "labels": OWN}
    for role in ("etcd", "master"):
        account = {"email": f"sw-{role}@{PROJECT}", "displayName": f"{role} machines of cluster star-wars"}
        cloud.accounts.append(account)


def test_what_is_left_is_named(session, remains):
    assert set(left(session)) == {
        "machine star-wars-instances",
        "disk star-wars-disks",
        "address star-wars-addresses",
        "forwarding rule star-wars-forwardingRules",
        "instance template star-wars-worker-1",
        "instance group star-wars-worker-general",
        f"instance group star-wars-api-{ZONES[0]}",
        "backend service star-wars-api",
        "snapshot star-wars-backup",
        "disk pvc-7",
        "disk pvc-7 (of a claim)",
        "health check star-wars-api",
        "network star-wars",
        "firewall rule star-wars-weave",
        "router star-wars-nat",
        "subnetwork star-wars-fixed",
        "secret star-wars-etcd",
        "bucket star-wars-documents",
        f"service account sw-etcd@{PROJECT}",
        f"service account sw-master@{PROJECT}",
    }


def test_what_could_not_be_looked_for_is_not_called_nothing(session, cloud):
    cloud.refuse("GET /iam", 403, "forbidden", "Permission iam.serviceAccounts.list denied")
    assert left(session) == (
        "unknown: service accounts: Google denies iam.serviceAccounts.list, which is needed to look for what is left "
        "of the cluster.",
    )


def test_without_credentials_that_is_all_to_say(session, cloud):
    cloud.refuse("GET /compute", 401, "authError", "no")
    with pytest.raises(UserError, match="credentials"):
        left(session)


def test_rules_in_a_shared_network_are_known_by_the_accounts_of_their_machines(session, cloud):
    for name in ("star-wars", "star-wars-ii"):
        accounts = [f"{name}-master@{PROJECT}.iam.gserviceaccount.com"]
        cloud.add("firewalls", f"{name}-api", network="x/networks/shared", targetServiceAccounts=accounts)
    assert left(session, "shared") == ("firewall rule star-wars-api",)


@pytest.mark.parametrize("name", ["a", "x" * 23, "x" * 24, "abcdefghijklm-nopqrstuvwxyz-ab"])
def test_accounts_are_called_as_the_module_calls_them(name):
    names = list(leftovers.account_names(name))
    assert all(len(each) <= 30 for each in names) and all(each.startswith(name[:14]) for each in names)


def test_a_network_that_was_there_before_is_not_left(session, cloud):
    """Also where it is called as the cluster is."""
    cloud.add("networks", "star-wars")
    cloud.add("subnetworks", "kubernetes", REGION, network="x/networks/star-wars")
    cloud.add("firewalls", "somebodys", network="x/networks/star-wars")
    accounts = [f"star-wars-master@{PROJECT}.iam.gserviceaccount.com"]
    cloud.add("firewalls", "star-wars-admin", network="x/networks/star-wars", targetServiceAccounts=accounts)
    assert left(session, "star-wars") == ("firewall rule star-wars-admin",)


def test_what_another_cluster_left_whose_name_begins_alike(session, cloud):
    for kind in ("healthChecks", "backendServices", "routers"):
        for suffix in ("api", "worker", "nat"):
            cloud.add(kind, f"star-wars-ii-{suffix}", REGION, network="x/networks/star-wars-ii")
    properties = {"labels": {"anywhere-cluster": "star-wars-ii"}}
    template = cloud.add("instanceTemplates", "star-wars-ii-worker-1", REGION, properties=properties)
    cloud.add("instanceGroupManagers", "star-wars-ii-worker-general", REGION, instanceTemplate=template)
    assert left(session) == ()
