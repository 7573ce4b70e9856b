"""A master alone, which is a virtual machine on weave as users get it: its own kernel, and the images as they are.

`make e2e-all` boots two, for which CI has no time where they are emulated. Tests run in the order they stand.
"""

import pytest

from tests.e2e import daemons, echo, leftovers, names, policy
from tests.e2e.shape import Shape

pytestmark = [pytest.mark.e2e, pytest.mark.vm]
MASTER = "master1"


@pytest.fixture(scope="module")
def cluster(boot):
    with boot(Shape("weave", "vm", workers=0)) as made:
        yield made


@pytest.fixture(scope="module")
def asker(cluster):
    """A pod that asks the one of `echo`."""
    echo.run(cluster, {MASTER})
    cluster.apply_manifest(daemons.manifest("ask", "e2e", container=echo.SERVER))
    cluster.until("a pod that asks", lambda: cluster.get("daemonset", "-n=e2e", "ask")["status"].get("numberReady"))
    return cluster.get("pods", "--namespace=e2e", "--selector=app=ask")["items"][0]["metadata"]["name"]


def test_the_network_is_weaves_fast_datapath(cluster):
    assert cluster.on(MASTER, "curl -s http://127.0.0.1:6784/status").count("Service: ") >= 4
    assert "datapath" in cluster.on(MASTER, "ip -o link show type openvswitch")
    for name in ("kube-apiserver", "etcd1"):
        assert cluster.on(MASTER, f"getent ahostsv4 {name}.weave.local").split()


def test_pods_reach_pods_services_and_names(cluster, asker):
    address = echo.address(cluster, MASTER)
    for url in (f"http://{address}:8080/hostname", "http://echo.e2e.svc.cluster.local/hostname"):
        cluster.until(url, lambda url=url: echo.fetch(cluster, asker, url))
    assert names.in_pod(cluster, asker, "nothing.e2e.svc.cluster.local") == "NXDOMAIN"


def test_network_policy_denies(cluster, asker):
    policy.check(cluster, asker, echo.address(cluster, MASTER))


def test_converging_again_restarts_nothing(cluster):
    before = cluster.containers_started(MASTER)
    cluster.on(MASTER, "sudo systemctl start anywhere-converge.service")
    assert cluster.containers_started(MASTER) == before
    assert cluster.anywhere("plan", "--detailed-exitcode", check=False).returncode == 0


def test_destroy_leaves_nothing(cluster):
    cluster.anywhere("destroy", "--yes")
    assert list(leftovers.of(cluster.home, cluster.name)) == []
