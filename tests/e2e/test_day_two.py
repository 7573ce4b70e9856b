"""Changes of a cluster that runs, while a client goes on using it. Tests run in the order they stand."""

import os
import signal
import subprocess
from contextlib import contextmanager

import pytest

from generator import terraform_binary
from generator.definition import NEWEST, VERSION
from tests.e2e import budget, containers, etcd, interruptions, weave
from tests.e2e.local_cluster import ROOT
from tests.e2e.probe import Probe

pytestmark = [pytest.mark.e2e, pytest.mark.day2]
BEFORE = list(NEWEST.values())[-2]  # the newest patch of the minor version before the default
BACK = "the previous container is back"
ROWS = []
MASTER = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
COMPONENTS = {
    **{f"master{number}": (f"etcd{number}", *MASTER) for number in (1, 2, 3)},
    **{f"worker-general-{number}": ("kubelet", "kube-proxy") for number in (1, 2)},
}
POWER_CUTS = (
    ("master1", "etcd1"), ("master2", "kube-apiserver"), ("master3", "kubelet"), ("worker-general-1", "kubelet"),
    ("worker-general-2", "kube-proxy"),
)  # fmt: skip


@pytest.fixture(scope="module")
def cluster(boot):
    with boot(containers.shape(masters=3, workers=2, version=BEFORE)) as made:
        made.kubectl("create", "configmap", "probe", "--from-literal=count=0")
        yield made
    print("\n".join(["", "| change | client | seconds |", "|---|---|---|", *ROWS]))


@contextmanager
def asked(cluster, name):
    """A client beside a test; no acknowledged write is lost."""
    with Probe(cluster.kubeconfig) as asking:
        yield asking
    ROWS.append(f"| {name.removeprefix('test_').replace('_', ' ')} | {asking} | {asking.seconds:.0f} |")
    assert not asking.lost
    weave.check(cluster)


@pytest.fixture
def client(cluster, request):
    """A client whose requests may fail."""
    with asked(cluster, request.node.name) as asking:
        yield asking


@pytest.fixture
def probe(cluster, request):
    """A client that must not notice the test: no request fails twice, either."""
    with asked(cluster, request.node.name) as asking:
        yield asking
    assert not asking.failed


def replace_everything(spec, value):
    """Have each component be replaced, by a flag that changes nothing of what it does."""
    names = {name.rstrip("123") for names in COMPONENTS.values() for name in names}
    flags = {"max-txn-ops": str(1000 + value)}
    spec["components"] = {name: {"flags": flags if name == "etcd" else {"v": str(value)}} for name in names}


def assert_replaced(cluster, value):
    for machine, names in COMPONENTS.items():
        commands = cluster.on(machine, f"sudo docker inspect --format '{{{{.Config.Cmd}}}}' {' '.join(names)}")
        for name, command in zip(names, commands.splitlines(), strict=True):
            assert f"--max-txn-ops={1000 + value}" in command if "etcd" in name else f"--v={value}" in command


def consoles(cluster, words):
    """The machines whose console has `words`."""
    return {machine for machine in cluster.shape.machines if words in cluster.anywhere("logs", machine).stdout}


def test_labels_and_taints_reach_nodes_that_are_there(cluster, probe):
    pods = cluster.pods_started()
    cluster.edit(lambda spec: spec["workers"].update(labels={"tier": "a"}, taints=["dedicated=a:PreferNoSchedule"]))
    cluster.apply()
    nodes = cluster.get("nodes", "-l", "tier=a")["items"]
    assert {node["metadata"]["name"] for node in nodes} == {"worker-general-1", "worker-general-2"}
    assert all({"key": "dedicated", "value": "a", "effect": "PreferNoSchedule"} in n["spec"]["taints"] for n in nodes)
    cluster.edit(lambda spec: spec["workers"].update(labels={}, taints=[]))
    cluster.apply()
    cluster.until("nodes without the label", lambda: not cluster.get("nodes", "-l", "tier=a")["items"])
    assert cluster.pods_started() == pods


def test_a_taint_that_evicts_pods_drains_one_node_after_the_other(cluster, probe):
    with budget.kept(cluster):
        assert all(node.startswith("worker-") for node in budget.nodes(cluster))
        cluster.edit(lambda spec: spec["workers"].update(taints=["dedicated=a:NoExecute"]))
        cluster.apply()
        assert all(node.startswith("master") for node in budget.nodes(cluster))
    for node in cluster.get("nodes", "-l", "node.kubernetes.io/pool")["items"]:
        assert {"key": "dedicated", "value": "a", "effect": "NoExecute"} in node["spec"]["taints"]
        assert not node["spec"].get("unschedulable")
    cluster.edit(lambda spec: spec["workers"].update(taints=[]))
    cluster.apply()


def test_a_flag_reaches_one_api_server_after_the_other(cluster, probe):
    pods = cluster.pods_started()
    cluster.edit(lambda spec: spec.update(components={"kube-apiserver": {"flags": {"max-requests-inflight": "401"}}}))
    cluster.apply()
    for master in ("master1", "master2", "master3"):
        assert "--max-requests-inflight=401" in cluster.on(master, "sudo docker inspect kube-apiserver")
    assert cluster.pods_started() == pods


def test_plain_terraform_reaches_one_api_server_after_the_other(cluster, probe):
    """Machines take turns by themselves."""
    cluster.edit(lambda spec: spec.update(components={"kube-apiserver": {"flags": {"max-requests-inflight": "402"}}}))
    cluster.anywhere("render")
    apply = 'eval "$1" && "$2" -chdir="$3" apply -auto-approve -input=false'
    arguments = (cluster.anywhere("env").stdout, terraform_binary.find(os.environ).path, cluster.kubeconfig.parent)
    subprocess.run(["bash", "-ec", apply, "bash", *arguments], cwd=ROOT, check=True)
    for master in ("master1", "master2", "master3"):
        cluster.until(
            f"the flag on {master}",
            lambda master=master: "inflight=402" in cluster.on(master, "sudo docker inspect kube-apiserver || true"),
        )
    cluster.until("the release everywhere", lambda: cluster.anywhere("doctor", check=False).returncode == 0)


@pytest.mark.parametrize("component", ["kube-apiserver", "kubelet"])
def test_a_bad_release_costs_one_machine(cluster, probe, component):
    pods = cluster.pods_started()
    cluster.edit(lambda spec: spec.update(components={component: {"flags": {"feature-gates": "NoSuchGate=true"}}}))
    done = cluster.anywhere("apply", "--yes", check=False)
    assert done.returncode == 1
    assert f"put {component} back" in done.stderr and "NoSuchGate" in done.stderr
    assert len(consoles(cluster, f"failed stage={component} reason={component}: ")) == 1
    assert cluster.anywhere("rollout status", check=False).returncode == 1
    cluster.edit(lambda spec: spec.pop("components"))
    cluster.apply()
    assert cluster.pods_started() == pods


def test_a_member_that_loses_its_disk_joins_again(cluster, probe):
    os.kill(cluster.pid("master3"), signal.SIGKILL)
    cluster.lose("disks/master3-etcd")
    assert "the disk of master3 is gone" in cluster.anywhere("plan", check=False).stdout
    cluster.apply()
    assert etcd.members(cluster) == ["etcd1", "etcd2", "etcd3"]


def test_a_machine_that_is_lost_whole_comes_back(cluster, probe):
    """It was there when the cluster began, and the others have what it had."""
    os.kill(cluster.pid("master2"), signal.SIGKILL)
    cluster.lose("disks/master2-etcd")
    cluster.lose("machines/master2")
    cluster.apply()
    assert etcd.members(cluster) == ["etcd1", "etcd2", "etcd3"]


def test_masters_leave_and_others_come(cluster, probe):
    cluster.edit(lambda spec: spec["masters"].update(count=1))
    refused = cluster.anywhere("apply", "--yes", check=False)
    assert refused.returncode == 1 and "--may-destroy master2 --may-destroy master3" in refused.stderr
    cluster.anywhere("apply", "--yes", "--may-destroy", "master2", "--may-destroy", "master3")
    assert etcd.members(cluster) == ["etcd1"]
    cluster.edit(lambda spec: spec["masters"].update(count=3))
    cluster.apply()
    assert etcd.members(cluster) == ["etcd1", "etcd2", "etcd3"]


def test_an_api_server_that_crashes_is_reached_again(cluster, client):
    """Weave's router keeps the interface that it had, which would go on answering for its address."""
    for master in ("master1", "master2", "master3"):
        pid = cluster.on(master, "sudo docker inspect --format '{{.State.Pid}}' kube-apiserver").strip()
        cluster.on(master, f"sudo kill -9 {pid}")
        cluster.until("the API", lambda: cluster.kubectl("get", "--raw", "/readyz", check=False) == "ok")


def test_a_new_minor_version(cluster, probe):
    cluster.edit(lambda spec: spec.update(kubernetes={"version": VERSION}))
    cluster.anywhere("images lock")
    cluster.apply()
    versions = {node["status"]["nodeInfo"]["kubeletVersion"] for node in cluster.get("nodes")["items"]}
    assert versions == {VERSION}
    assert cluster.anywhere("plan", "--detailed-exitcode", check=False).returncode == 0


def test_agents_are_killed_wherever_they_replace_something(cluster, client):
    """Among them what leads the client to an API server."""
    pods = cluster.pods_started()
    cluster.edit(lambda spec: replace_everything(spec, 1))
    with interruptions.killed_agents(cluster, COMPONENTS):
        cluster.apply()
    assert_replaced(cluster, 1)
    assert cluster.pods_started() == pods


def test_machines_lose_power_while_they_replace_something(cluster, client):
    cluster.edit(lambda spec: replace_everything(spec, 3))
    for machine, container in POWER_CUTS:
        interruptions.cut_power(cluster, machine, container)
    cluster.apply()
    assert_replaced(cluster, 3)
    assert etcd.members(cluster) == ["etcd1", "etcd2", "etcd3"]
    assert cluster.anywhere("plan", "--detailed-exitcode", check=False).returncode == 0
