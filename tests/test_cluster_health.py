"""A cluster of several masters on weave, as its API shows it over time."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from generator import kubernetes, pki
from generator.errors import UserError
from generator.kubernetes import DESCRIPTIONS
from generator.operations import cluster_checks, cluster_health, patience, pod_watch
from generator.operations.leaders import COMPONENTS
from generator.workloads import Workload
from providers import Observed
from tests import golden
from tests.cli.target import COREDNS, DEPLOYMENTS, PODS, READY
from tests.test_kubernetes import Api, secrets, serve
from tests.test_readiness import Clock
from tests.test_workloads import SCHEDULED, container, daemon_set, pod

__all__ = ["secrets"]  # a fixture
DAEMON_SETS = "/apis/apps/v1/namespaces/kube-system/daemonsets?resourceVersion=0"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases?resourceVersion=0"
LOG = "/api/v1/namespaces/kube-system/pods/weave-npc-1/log?container=coredns&tailLines=1&previous=true"


def node(machine):
    conditions = [{"type": "Ready", "status": "True"}]
    return {"metadata": {"name": machine.name}, "status": {"conditions": conditions}}


def living(cluster):
    """An API that answers for `cluster`, and counts what it is asked."""

    class Living(Api):
        def do_GET(self):  # noqa: N802
            asked = cluster.asked[self.path] = cluster.asked.get(self.path, 0) + 1
            answer = cluster.answers.get(self.path)
            answer = answer(asked) if callable(answer) else answer
            self.answers = {} if answer is None else {self.path: json.dumps(answer).encode()}
            super().do_GET()

    return Living


@pytest.fixture
def cluster(tmp_path, secrets, monkeypatch):
    """All that works. `answers` is what the API says, by path, where it is a function: of how often it was asked."""
    definition, _, topology = golden.load("ha")
    (tmp_path / "cluster.lock.yaml").write_text((golden.HERE / "ha.lock.yaml").read_text())
    nodes = [machine for machine in topology.machines if "kubelet" in machine.components]
    counts = dict.fromkeys(("currentNumberScheduled", "updatedNumberScheduled", "numberAvailable"), len(nodes))
    made = SimpleNamespace(topology=topology, clock=Clock(), nodes=nodes, asked={}, holder="master1_5f0c")
    made.answers = {
        "/api/v1/nodes?resourceVersion=0": {"items": [node(machine) for machine in nodes]},
        DEPLOYMENTS: {"items": [COREDNS]},
        DAEMON_SETS: {"items": [daemon_set(**counts)]},
        PODS: {"items": []},
        LEASES: lambda asked: {"items": leases(made.holder, str(asked))},
        **{path: {} for path in DESCRIPTIONS},
    }

    server = serve(pki.documents(secrets)["kube-apiserver"], tmp_path)
    server.RequestHandlerClass = living(made)
    made.kubeconfig = tmp_path / "kubeconfig"
    made.kubeconfig.write_text(pki.admin_kubeconfig(secrets, f"https://127.0.0.1:{server.server_port}", "c-local"))
    for module in (patience, cluster_health, kubernetes, pod_watch):
        monkeypatch.setattr(module, "time", made.clock)
    observed = tuple(Observed(m.name, True, m.address, READY) for m in topology.machines)
    made.project = SimpleNamespace(
        definition=replace(definition, path=tmp_path / "cluster.yaml"),
        provider=SimpleNamespace(
            name="local", manages_workers=False, poll=30.0, api_remedy="", observe=lambda definition: observed
        ),
        release="0123456789ab",
        kubeconfig=made.kubeconfig,
    )
    progress = SimpleNamespace(board=lambda lines: None)
    made.wait = lambda timeout=600: cluster_health.wait(made.project, topology, made.kubeconfig, progress, timeout)
    made.once = lambda: cluster_health.once(made.project, topology, warn=lambda message: None)[1]
    yield made
    server.shutdown()
    server.server_close()


def leases(holder, renewed, transitions=2):
    spec = {"holderIdentity": holder, "renewTime": renewed, "leaseTransitions": transitions}
    return [{"metadata": {"name": name}, "spec": spec} for name in COMPONENTS]


def crashing(restarts):
    item = pod(container(restarts, state={"waiting": {"reason": "CrashLoopBackOff"}}), name="weave-npc-1")
    item["metadata"]["labels"] = {"name": "weave-npc"}
    return item


def test_a_cluster_that_works_is_looked_at_until_its_leaders_were_seen_to_renew(cluster):
    cluster.wait()
    assert cluster.asked[LEASES] == 3  # a first look, and two that find all well
    assert all(check.ok for check in cluster.once())
    assert [check.subject for check in cluster.once()] == ["coredns", "weave-npc", "cluster DNS", *COMPONENTS]


def test_leaders_that_do_not_renew_are_waited_for_and_named(cluster):
    cluster.answers[LEASES] = {"items": leases("master2_5f0c", "a")}
    with pytest.raises(UserError) as caught:
        cluster.wait()
    assert "kube-scheduler: master2 leads, but has not renewed its lease for " in caught.value.message
    assert 600 < cluster.clock.now < 640


def test_a_control_plane_that_flaps_is_not_ready(cluster):
    """The lease is renewed, but goes from one master to the next and back."""

    def flapping(asked):
        turns = asked // 10
        return {"items": leases(f"master{1 + turns % 3}_x", str(asked), turns)}

    cluster.answers[LEASES] = flapping
    calm = cluster_health.LOOKS
    cluster.wait()
    assert cluster.asked[LEASES] <= 1 + calm  # it was calm while looked at
    cluster.asked.clear()
    cluster.answers[LEASES] = lambda asked: {"items": leases(f"master{1 + asked % 3}_x", str(asked), asked)}
    with pytest.raises(UserError, match="It lost its lease just now"):
        cluster.wait()


def test_a_single_look_waits_for_the_leaders_a_little(cluster):
    cluster.answers[LEASES] = {"items": leases("master1_5f0c", "a")}
    failing = cluster_checks.failing(cluster.once())
    assert [check.subject for check in failing] == list(COMPONENTS)
    assert cluster.clock.now == cluster_health.LEASE_SECONDS
    cluster.answers[LEASES] = lambda asked: {"items": leases("master1_5f0c", str(asked))}
    begun = cluster.clock.now
    assert cluster_checks.failing(cluster.once()) == () and cluster.clock.now - begun <= 2


def test_who_restarts_for_ever_makes_no_progress(cluster):
    """The pods of weave-npc crash on every machine, each time once more."""
    cluster.answers[DAEMON_SETS] = {"items": [daemon_set(numberAvailable=0)]}
    cluster.answers[PODS] = lambda asked: {"items": [crashing(asked)]}
    cluster.answers[LOG] = "iptables: ip_set is missing"
    with pytest.raises(UserError) as caught:
        cluster.wait()
    assert f"weave-npc: 0 of {len(cluster.nodes)} pods available. Pod weave-npc-1 crashes: " in caught.value.message
    assert "iptables: ip_set is missing" in caught.value.message
    assert 600 < cluster.clock.now < 640


def test_a_pod_that_runs_only_for_a_while_is_not_available(cluster):
    """Between two crashes it is ready, and its DaemonSet counts it as available."""
    item = pod(container(1, True), conditions=(SCHEDULED, {"type": "Ready", "status": "True"}))

    def often(asked):
        item["status"]["containerStatuses"][0]["restartCount"] = min(9, asked)
        return {"items": [item]}

    cluster.answers[PODS] = often
    cluster.wait()
    assert 8 * 30 + pod_watch.CALM_SECONDS < cluster.clock.now < 8 * 30 + 150


def restarted(started, exit_code):
    """A pod that runs since `started`, and whose container had ended before."""
    ended = {"terminated": {"reason": "Error", "exitCode": exit_code}}
    again = container(5, True, state={"running": {"startedAt": started}}, lastState=ended)
    item = pod(again, conditions=(SCHEDULED, {"type": "Ready", "status": "True"}), name="weave-npc-1")
    item["metadata"]["labels"] = {"name": "weave-npc"}
    return item


def test_a_single_look_sees_a_pod_that_runs_between_two_crashes(cluster):
    """It is ready, and its DaemonSet counts it as available."""
    cluster.answers[PODS] = {"items": [restarted("1970-01-01T00:00:20Z", 1)]}
    (check,) = cluster_checks.failing(cluster.once())
    assert check.subject == "weave-npc" and check.detail.endswith("Pod weave-npc-1 restarted just now: 5 times so far.")
    cluster.wait()
    assert 20 + pod_watch.CALM_SECONDS < cluster.clock.now < 150


def test_a_pod_that_ended_well_or_long_ago_may_run_again(cluster):
    cluster.answers[PODS] = {"items": [restarted("1970-01-01T00:00:20Z", 0), restarted("1969-12-31T00:00:00Z", 1)]}
    assert cluster_checks.failing(cluster.once()) == ()


def test_pods_that_become_available_one_after_another_are_progress(cluster):
    wanted = len(cluster.nodes)

    def rising(asked):
        available = min(wanted, int(cluster.clock.now // 200))
        return {"items": [daemon_set(updatedNumberScheduled=wanted, numberAvailable=available)]}

    cluster.answers[DAEMON_SETS] = rising
    cluster.answers[PODS] = {"items": [crashing(0)]}
    cluster.wait(250)
    assert cluster.clock.now >= 200 * wanted > 250


def test_an_api_that_stops_to_answer_begins_the_count_anew(cluster):
    """What held before and after does not count as twice in a row."""
    outages = {3}

    def nodes(asked):
        return None if asked in outages else {"items": [node(machine) for machine in cluster.nodes]}

    cluster.answers["/api/v1/nodes?resourceVersion=0"] = nodes
    cluster.wait()
    assert cluster.asked["/api/v1/nodes?resourceVersion=0"] == 5


def test_the_log_of_a_crash_is_read_once(cluster):
    cluster.answers[DAEMON_SETS] = {"items": [daemon_set(numberAvailable=0)]}
    cluster.answers[PODS] = {"items": [crashing(3)]}
    cluster.answers[LOG] = "gone"
    with pytest.raises(UserError):
        cluster.wait(600)
    assert cluster.asked[LOG] == 1 and cluster.asked[PODS] > 10


def test_an_add_on_that_is_scaled_away_does_not_work():
    away = Workload("Deployment", "coredns", {}, processed=True, wanted=0, made=0, updated=0, available=0)
    check = cluster_checks.addon("Deployment", "coredns", [away], [], {})
    assert not check.ok and check.needed and "scaled to 0" in check.detail
