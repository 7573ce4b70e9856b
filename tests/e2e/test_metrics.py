"""An add-on that is chosen in the definition comes to a cluster that runs, works, and goes again."""

import pytest

from tests.e2e import containers

pytestmark = [pytest.mark.e2e, pytest.mark.day2]


@pytest.fixture(scope="module")
def cluster(boot):
    with boot(containers.shape()) as made:
        yield made


def served(cluster):
    """The lines of `kubectl top nodes`; none while nobody serves metrics."""
    return cluster.kubectl("top", "nodes", "--no-headers", check=False).splitlines()


def test_metrics_are_served_once_they_are_chosen(cluster):
    assert served(cluster) == []
    cluster.edit(lambda spec: spec.update(addons=["dns", "metrics"]))
    assert "installed (metrics.yaml)" in cluster.anywhere("plan").stdout
    cluster.apply()
    cluster.until("metrics of all nodes", lambda: {line.split()[0] for line in served(cluster)} == cluster.shape.nodes)
    assert "coredns" in cluster.kubectl("top", "pods", "--namespace=kube-system")
    assert "metrics-server" in cluster.anywhere("status").stdout
    assert cluster.anywhere("plan", "--detailed-exitcode", check=False).returncode == 0


def test_metrics_go_with_the_list_and_nothing_else_does(cluster):
    cluster.kubectl("create", "configmap", "--namespace=kube-system", "mine")
    cluster.edit(lambda spec: spec.update(addons=["dns"]))
    assert "deleted from the cluster (metrics.yaml)" in cluster.anywhere("plan").stdout
    cluster.apply()
    cluster.until("no metrics", lambda: not kept(cluster))
    assert served(cluster) == []
    assert cluster.get("configmap", "--namespace=kube-system", "mine")
    assert cluster.get("deployment", "--namespace=kube-system", "coredns")["status"]["availableReplicas"]


def kept(cluster):
    """What is left of the add-on."""
    kinds = "deployments,services,secrets,configmaps,serviceaccounts,poddisruptionbudgets"
    namespaced = cluster.kubectl("get", "--namespace=kube-system", kinds, "-o", "name")
    others = cluster.kubectl("get", "apiservices,clusterroles,clusterrolebindings", "-o", "name")
    return [line for line in f"{namespaced}\n{others}".splitlines() if "metrics" in line and "system:" not in line]
