"""Machines booted as a cloud boots them: they know its metadata and its services, and nothing else of anybody."""

import re

import pytest

from tests.e2e import echo, weave

pytestmark = pytest.mark.e2e

BOOT_SECONDS = 1500  # emulated, with packages to install; a bound, not a measure
LEAVE_SECONDS = 600
METADATA = "http://169.254.169.254/"


@pytest.fixture(scope="module")
def machines(cloud):
    """The fixed machine as planned, and the one that the pool's group starts: nobody tells the cluster of it."""
    master, worker = cloud.region.start("master1"), cloud.region.grow("general")
    cloud.until("both Ready", lambda: cloud.ready() == {master.name, worker.name}, BOOT_SECONDS)
    cloud.lend_hands()
    return master, worker


@pytest.fixture
def master(machines):
    return machines[0]


@pytest.fixture
def worker(machines):
    return machines[1]


def test_what_terraform_planned_becomes_a_cluster(cloud, master, worker):
    print(cloud.kubectl("get", "nodes", "--output=wide"))
    assert cloud.ready() == {"master1", worker.name}
    nodes = {node["metadata"]["name"]: node for node in cloud.get("nodes")["items"]}
    assert nodes[worker.name]["metadata"]["labels"]["node.kubernetes.io/pool"] == "general"


def test_weave_joins_the_machines(cloud, master, worker):
    joined = re.compile(rf"-> {master.address}:6783 +established encrypted +fastdp ")

    def connections():
        return cloud.on(worker.name, "curl -s http://127.0.0.1:6784/status/connections")

    # Where a computer is so busy that heartbeats are late, weave goes without its fast datapath for a while.
    cloud.until("weave's fast datapath", lambda: joined.search(connections()))
    for name in ("kube-apiserver", "etcd1"):
        assert cloud.on(worker.name, f"getent ahostsv4 {name}.weave.local").split()


def test_pods_answer_from_machine_to_machine(cloud, master, worker):
    echo.run(cloud, {master.name, worker.name})
    found = echo.pods(cloud)
    for pod in found:
        for node, address in found.values():
            assert echo.fetch(cloud, pod, f"http://{address}:8080/hostname"), f"{pod} does not reach {node}"
        cloud.until(
            f"echo by name from {pod}",
            lambda pod=pod: echo.fetch(cloud, pod, "http://echo.e2e.svc.cluster.local/hostname"),
        )


def test_what_etcd_knows_is_on_the_disk_that_outlives_the_machine(cloud, master):
    mounted, root = (
        cloud.on(master.name, f"findmnt --noheadings --output SOURCE,LABEL {path}").split()
        for path in ("/var/lib/etcd", "/")
    )
    assert mounted[1] == "etcd" and mounted[0] != root[0]


def test_no_pod_has_the_machines_identity(cloud, worker):
    """Machines themselves are answered, if only with a refusal of a request without what it must have."""
    ask = f"curl --silent --output /dev/null --write-out %{{http_code}} --max-time 10 {METADATA}"
    assert cloud.on(worker.name, ask) in ("401", "403", "404")
    (pod,) = (pod for pod, (node, _) in echo.pods(cloud).items() if node == worker.name)
    words = ("/usr/bin/" + ask).split()
    assert cloud.kubectl("exec", "--namespace=e2e", pod, "--", *words, check=False) == "000"


def test_a_worker_that_its_group_takes_away_leaves_first(cloud, master, worker):
    assert set(weave.shares(cloud)) == {master.name, worker.name}
    cloud.region.leave(worker)
    cloud.until("its node gone", lambda: cloud.ready() == {"master1"}, LEAVE_SECONDS)
    cloud.until("its addresses with the master", lambda: set(weave.shares(cloud)) == {"master1"}, LEAVE_SECONDS)


def test_a_master_that_is_lost_comes_back_with_what_etcd_knows(cloud, master):
    boot, known = cloud.boot(master.name), cloud.get("namespace", "e2e")["metadata"]["uid"]
    cloud.region.lose(master)
    cloud.region.start(master.name)
    cloud.until("another master1", lambda: cloud.ready() and cloud.boot(master.name) != boot, BOOT_SECONDS)
    cloud.until("master1 Ready again", lambda: cloud.ready() == {master.name}, BOOT_SECONDS)
    assert cloud.get("namespace", "e2e")["metadata"]["uid"] == known
