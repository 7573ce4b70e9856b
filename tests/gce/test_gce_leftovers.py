"""What a cluster had made goes before it, and what is left of it is named."""

import io

import pytest

from generator.cli.phases import Phases
from generator.errors import UserError
from providers.gce import leftovers, owned
from tests.gce.cloud import NUMBER, PROJECT, REGION, ZONES

OWN = {"anywhere-cluster": "star-wars"}
CSI = '{"storage.gke.io/created-by":"pd.csi.storage.gke.io"}'


@pytest.fixture
def made(cloud):
    """A machine with its own disk and one of a claim, and a Service's load balancer; and what is another's."""
    machine = cloud.add("instances", "star-wars-worker-general-a", ZONES[0], labels=OWN, status="RUNNING")
    claim = cloud.add("disks", "pvc-1", ZONES[0], users=[machine], description=CSI)
    etcd = cloud.add("disks", "star-wars-etcd1-etcd", ZONES[0], users=[machine], labels=OWN, description=CSI)
    cloud.add("disks", "pvc-2", ZONES[0], users=["https://x/instances/other"], description=CSI)
    disks = [{"deviceName": "claim", "source": claim}, {"deviceName": "etcd", "source": etcd}]
    cloud.things["instances"][0]["disks"] = disks
    pool = cloud.add("targetPools", "a123", REGION, instances=[machine])
    cloud.add("targetPools", "b456", REGION, instances=["https://x/instances/other"])
    cloud.add("forwardingRules", "a123", REGION, target=pool)
    cloud.add("forwardingRules", "star-wars-api", REGION, labels=OWN, target="x/backendServices/star-wars-api")
    cloud.add("firewalls", "k8s-fw-a123", network="x/networks/star-wars")
    cloud.add("firewalls", "k8s-fw-b456", network="x/networks/other")
    return cloud


def names(cloud, kind):
    return [thing["name"] for thing in cloud.things[kind]]


def test_balancers_and_volumes_of_the_cluster_go_and_nothing_else(session, made):
    said = io.StringIO()
    owned.release(session, "star-wars", "", Phases(said))
    assert names(made, "disks") == ["star-wars-etcd1-etcd", "pvc-2"]
    assert names(made, "targetPools") == ["b456"]
    assert names(made, "forwardingRules") == ["star-wars-api"]
    assert names(made, "firewalls") == ["k8s-fw-b456"]
    assert "removing the disk pvc-1" in said.getvalue() and "removing the target pool a123" in said.getvalue()
    assert any(asked.endswith("/detachDisk") for asked in made.asked)


def test_where_nothing_was_made_nothing_goes(session, cloud):
    owned.release(session, "star-wars", "", Phases(io.StringIO()))
    assert not any(asked.startswith(("DELETE", "POST")) for asked in cloud.asked)


def test_nothing_is_left(session, cloud):
    cloud.add("networks", "star-wars-ii")
    cloud.add("firewalls", "star-wars-ii-api", network="x/networks/star-wars-ii")
    cloud.accounts.append({"email": "a@p", "displayName": "etcd machines of cluster star-wars-ii"})
    cloud.buckets["star-wars-ii-documents"] = {
        "name": "star-wars-ii-documents",
        "labels": {"anywhere-cluster": "star-wars-ii"},
    }
    assert leftovers.lines(session, "star-wars") == ()


def test_what_is_left_is_named(session, cloud):
    for kind, where in (
        ("instances", ZONES[0]),
        ("disks", ZONES[1]),
        ("addresses", REGION),
        ("forwardingRules", REGION),
    ):
        cloud.add(kind, f"star-wars-{kind}", where, labels=OWN)
    properties = {"labels": OWN}
    template = cloud.add("instanceTemplates", "star-wars-worker-1", REGION, properties=properties)
    cloud.add("instanceGroupManagers", "star-wars-worker-general", REGION, instanceTemplate=template)
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
    assert set(leftovers.lines(session, "star-wars")) == {
        "machine star-wars-instances",
        "disk star-wars-disks",
        "address star-wars-addresses",
        "forwarding rule star-wars-forwardingRules",
        "instance template star-wars-worker-1",
        "instance group star-wars-worker-general",
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
    (line,) = leftovers.lines(session, "star-wars")
    assert line.startswith("unknown: service accounts: Google was asked to look for what is left")


def test_without_credentials_that_is_all_to_say(session, cloud):
    cloud.refuse("GET /cloudresourcemanager", 401, "authError", "no")
    with pytest.raises(UserError, match="credentials"):
        leftovers.lines(session, "star-wars")
