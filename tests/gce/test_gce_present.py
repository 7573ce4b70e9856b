"""What of a cluster is on Google, as it matters to whoever has no state of it."""

import pytest

from generator.errors import UserError
from providers.gce import leftovers
from tests.gce.cloud import ZONES

OURS = {"anywhere-cluster": "star-wars"}


def test_machines_and_disks_of_etcd(session, cloud):
    cloud.add("instances", "star-wars-etcd1", ZONES[0], labels=OURS | {"anywhere-name": "etcd1"}, status="TERMINATED")
    cloud.add("instances", "star-wars-worker-general-a", ZONES[1], labels=OURS, status="RUNNING")
    cloud.add("disks", "star-wars-etcd1-etcd", ZONES[0], labels=OURS | {"anywhere-name": "etcd1"})
    assert leftovers.foundation(session, "star-wars") == (
        "machine star-wars-etcd1",
        "machine star-wars-worker-general-a",
        "disk star-wars-etcd1-etcd",
    )


def test_machines_are_in_the_order_of_their_zones(session, cloud):
    for number in range(6):  # over several pages, each of which has its zones in another order in every process
        cloud.add("instances", f"machine-{number}", ZONES[2 - number % 3], labels=OURS, status="RUNNING")
    found = leftovers.foundation(session, "star-wars")
    assert [line[-1] for line in found] == ["2", "5", "1", "4", "0", "3"]


def test_nothing_that_is_another_clusters_or_of_a_claim(session, cloud):
    other = {"anywhere-cluster": "others", "anywhere-name": "etcd1"}
    cloud.add("instances", "others-etcd1", ZONES[0], labels=other, status="RUNNING")
    cloud.add("disks", "others-etcd1-etcd", ZONES[0], labels=other)
    cloud.add("disks", "pvc-1", ZONES[0], labels=OURS)
    assert leftovers.foundation(session, "star-wars") == ()


def test_who_may_not_look_is_told_so(session, cloud):
    cloud.refuse("GET .*aggregated/instances", 403, "forbidden")
    with pytest.raises(UserError, match="look for what is left of the cluster"):
        leftovers.foundation(session, "star-wars")
