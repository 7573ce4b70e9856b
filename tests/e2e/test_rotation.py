"""Each key of a cluster that runs is replaced, while a client goes on using it."""

import pytest

from generator import store
from tests.e2e import containers, weave
from tests.e2e.probe import Probe

pytestmark = [pytest.mark.e2e, pytest.mark.day2]
SUBJECTS = (
    "--leaves",
    "--ca etcd",
    "--ca front-proxy",
    "--ca kubelet-client",
    "--ca kubelet-serving",
    "--ca kubernetes",
    "--service-account",
    "--encryption",
    "--bootstrap-token",
)


@pytest.fixture(scope="module")
def cluster(boot):
    with boot(containers.shape()) as made:
        made.kubectl("create", "configmap", "probe", "--from-literal=count=0")
        made.kubectl("create", "secret", "generic", "kept", "--from-literal=word=hidden")
        yield made


def keys(cluster):
    """Everything private that the cluster has."""
    secrets = store.read(cluster.file, cluster.name).targets["local"]
    return secrets.authorities, secrets.leaves, secrets.keys, secrets.token


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_key_is_replaced_and_everything_goes_on(cluster, subject):
    before, pods = keys(cluster), set(cluster.pods_started())
    with Probe(cluster.kubeconfig) as probe:
        cluster.anywhere("pki rotate", *subject.split(), "--now", "--yes")
        cluster.anywhere("kubeconfig")
    print(f"the client: {probe}")
    assert keys(cluster) != before
    assert probe.lost == []
    assert cluster.get("secret", "kept")["data"] == {"word": "aGlkZGVu"}
    assert all(_is_ready(node) for node in cluster.get("nodes")["items"])
    for node in cluster.shape.nodes:  # kubelets serve, and know the API server
        assert cluster.kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/healthz") == "ok"
    assert cluster.anywhere("plan", "--detailed-exitcode", check=False).returncode == 0
    if subject != "--ca kubernetes":  # whose add-ons are restarted, to trust the new one
        assert set(cluster.pods_started()) == pods


def test_weave_gets_a_new_password(cluster):
    """Machines with it and those without do not reach each other, so all get it at once, and pods go on."""
    if cluster.driver != "weave":
        pytest.skip(f"the network is {cluster.driver}")
    before, pods = keys(cluster), cluster.pods_started()
    cluster.anywhere("pki rotate", "--weave", "--now", "--yes")
    assert keys(cluster) != before
    for machine in cluster.shape.machines:
        connections = cluster.on(machine, "curl -s http://127.0.0.1:6784/status/connections").splitlines()
        others = [line for line in connections if "established" in line and "encrypted" in line]
        assert len(others) == len(cluster.shape.machines) - 1, connections
    assert cluster.pods_started() == pods
    weave.check(cluster)


def test_a_machine_joins_with_what_is_new(cluster):
    cluster.edit(lambda spec: spec["workers"].update(count=2))
    cluster.apply()
    assert len(cluster.get("nodes")["items"]) == 3


def _is_ready(node):
    return any(each["type"] == "Ready" and each["status"] == "True" for each in node["status"]["conditions"])
