"""etcd on machines of its own grows from three members to five and shrinks again, while a client goes on writing."""

import pytest

from tests.e2e import containers, etcd, weave
from tests.e2e.probe import Probe

pytestmark = [pytest.mark.e2e, pytest.mark.day2]
LEAVING = ("--may-destroy", "etcd4", "--may-destroy", "etcd5")


@pytest.fixture(scope="module")
def cluster(boot):
    with boot(containers.shape(etcd=3)) as made:
        made.kubectl("create", "configmap", "probe", "--from-literal=count=0")
        yield made


@pytest.fixture
def client(cluster):
    """No acknowledged write is gone. The sole API server restarts, as it is told of other members."""
    with Probe(cluster.kubeconfig) as probe:
        yield probe
    print(f"the client: {probe}")
    assert not probe.lost


def test_an_even_number_is_refused(cluster, client):
    cluster.edit(lambda spec: spec["etcd"].update(count=4))
    refused = cluster.anywhere("apply", "--yes", check=False)
    assert refused.returncode == 1 and "spec.etcd.count" in refused.stderr


def test_two_members_join(cluster, client):
    cluster.edit(lambda spec: spec["etcd"].update(count=5))
    cluster.apply()
    assert etcd.members(cluster) == ["etcd1", "etcd2", "etcd3", "etcd4", "etcd5"]
    weave.check(cluster, joined=("etcd4", "etcd5"))


def test_two_members_leave(cluster, client):
    cluster.edit(lambda spec: spec["etcd"].update(count=3))
    refused = cluster.anywhere("apply", "--yes", check=False)
    assert refused.returncode == 1 and " ".join(LEAVING) in refused.stderr
    cluster.anywhere("apply", "--yes", *LEAVING)
    assert etcd.members(cluster) == ["etcd1", "etcd2", "etcd3"]
    weave.check(cluster)
    assert cluster.pid("etcd4") is None and cluster.pid("etcd5") is None
