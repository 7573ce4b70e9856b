"""A cluster whose machines are Ready, but which does not work: what apply, status and doctor say of it."""

import json
import re
from dataclasses import replace

import pytest

from generator import lock, pki, store
from generator.images import catalog
from generator.operations import project
from tests.cli.target import COREDNS, DEPLOYMENTS, NODES, PODS, POLICIES, READY, pinned, run
from tests.test_kubernetes import Api
from tests.test_workloads import container, pod

LOG = "/api/v1/namespaces/kube-system/pods/coredns-1/log?container=coredns&tailLines=1"
DAEMON_SETS = "/apis/apps/v1/namespaces/kube-system/daemonsets?resourceVersion=0"
NPC_LOG = "/api/v1/namespaces/kube-system/pods/weave-npc-0/log?container=weave-npc&tailLines=1&previous=true"
CRASHING = pod(
    container(
        7,
        state={"waiting": {"reason": "CrashLoopBackOff"}},
        lastState={"terminated": {"reason": "Error", "exitCode": 1}},
    )
)


@pytest.fixture
def cluster(nowhere, monkeypatch, definition):
    """A cluster whose kubeconfig is there; what its API answers is changed by `cluster.answer(path, object)`."""
    url = re.search(r"https://127\.0\.0\.1:\d+", nowhere.main)[0]
    kubeconfig = project.open_project(definition, "local", None).kubeconfig
    kubeconfig.parent.mkdir(parents=True)
    kubeconfig.write_text(
        pki.admin_kubeconfig(store.read(definition, "quickstart").targets["local"], url, "quickstart-local")
    )
    nowhere.answer = lambda path, answer: monkeypatch.setitem(Api.answers, path, json.dumps(answer).encode())
    nowhere.answer_text = lambda path, text: monkeypatch.setitem(Api.answers, path, text.encode())
    return nowhere


def deployment(**status):
    return {"items": [COREDNS | {"status": COREDNS["status"] | status}]}


def doctor(capsys):
    """Its exit status and what it says of the cluster."""
    status = run("doctor")
    return status, capsys.readouterr().out


def test_a_cluster_that_works_says_so(cluster, capsys):
    assert run("status") == 0
    out = capsys.readouterr().out
    assert "ok    coredns: 2 of 2 pods available\n" in out and "ok    cluster DNS: answers 2 machines\n" in out
    assert run("status", "--json") == 0
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert [(check["subject"], check["ok"]) for check in checks] == [("coredns", True), ("cluster DNS", True)]


def test_pods_that_crash_are_told_with_their_last_log_line(cluster, capsys):
    cluster.answer(DEPLOYMENTS, deployment(availableReplicas=0))
    cluster.answer(PODS, {"items": [CRASHING]})
    cluster.answer_text(f"{LOG}&previous=true", "plugin/loop: starting\nplugin/loop: Loop detected for zone\n")
    status, out = doctor(capsys)
    assert status == 1
    assert (
        "FAIL  coredns: 0 of 2 pods available. Pod coredns-1 crashes: Error, exit 1, 7 restarts. Its last log " in out
    )
    assert '"plugin/loop: Loop detected for zone".' in out
    assert "      `kubectl --namespace kube-system logs coredns-1 --previous` says more." in out
    assert run("status") == 1 and "Loop detected" in capsys.readouterr().out


def test_a_container_that_never_started_before_has_its_own_log(cluster, capsys):
    cluster.answer(DEPLOYMENTS, deployment(availableReplicas=0))
    cluster.answer(PODS, {"items": [CRASHING]})
    cluster.answer_text(LOG, "cannot read Corefile\n")
    assert "cannot read Corefile" in doctor(capsys)[1]


def test_apply_is_not_done_while_pods_crash(cluster, capsys):
    cluster.answer(DEPLOYMENTS, deployment(availableReplicas=0))
    cluster.answer(PODS, {"items": [CRASHING]})
    assert run("apply", "--yes", "--timeout", "0") == 1
    err = capsys.readouterr().err
    assert "The cluster is not Ready, and nothing has changed for" in err
    assert "coredns: 0 of 2 pods available. Pod coredns-1 crashes: Error, exit 1, 7 restarts." in err


def weave_npc(node, number):
    """A pod as its DaemonSet made it and its kubelet reports it while it waits to start a container that failed."""
    ended = {
        "exitCode": 1,
        "reason": "Error",
        "startedAt": "2026-01-01T00:00:00Z",
        "finishedAt": "2026-01-01T00:00:02Z",
    }
    message = "back-off 5m0s restarting failed container=weave-npc"
    crashing = {
        "name": "weave-npc",
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": message}},
        "lastState": {"terminated": ended},
        "ready": False,
        "restartCount": 7,
        "started": False,
    }
    conditions = {"PodReadyToStartContainers": "True", "Initialized": "True", "Ready": "False"}
    conditions |= {"ContainersReady": "False", "PodScheduled": "True"}
    return {
        "metadata": {
            "name": f"weave-npc-{number}",
            "labels": {"name": "weave-npc", "controller-revision-hash": "7d9f"},
        },
        "spec": {"nodeName": node, "hostNetwork": True},
        "status": {
            "phase": "Running",
            "conditions": [{"type": name, "status": value} for name, value in conditions.items()],
            "containerStatuses": [crashing],
        },
    }


def test_a_policy_controller_that_crashes_on_every_machine_is_told(cluster, definition, capsys):
    path = lock.path_beside(definition)
    known = lock.read(path)
    lock.write(
        path, replace(known, driver="weave", images={"amd64": pinned(catalog.wanted(known.kubernetes, "weave"))})
    )
    # The API leaves out numberAvailable where it is 0.
    counts = {"currentNumberScheduled": 2, "desiredNumberScheduled": 2, "updatedNumberScheduled": 2}
    status = {"observedGeneration": 1, **counts, "numberMisscheduled": 0, "numberReady": 0, "numberUnavailable": 2}
    made = {"metadata": {"name": "weave-npc", "generation": 1}, "status": status}
    cluster.answer(DAEMON_SETS, {"items": [made | {"spec": {"selector": {"matchLabels": {"name": "weave-npc"}}}}]})
    cluster.answer(PODS, {"items": [weave_npc(node["metadata"]["name"], i) for i, node in enumerate(NODES)]})
    cluster.answer_text(NPC_LOG, "Fatal: ipset [create weave-k?Z;25^M}|1s7P3|H9i;*;MhG]: Kernel error\n")
    said = "weave-npc: 0 of 2 pods available. Pod weave-npc-0 crashes: Error, exit 1, 7 restarts. Its last log line: "
    for verb in (("doctor",), ("status",), ("apply", "--yes", "--timeout", "0")):
        capsys.readouterr()
        assert run(*verb) == 1
        printed = capsys.readouterr()
        assert f'{said}"Fatal: ipset' in printed.out + printed.err


@pytest.mark.parametrize(
    ("items", "status", "said"),
    [
        (
            [pod(conditions=({"type": "PodScheduled", "status": "False", "message": "0/2 nodes: untolerated taint"},))],
            {"availableReplicas": 0},
            "Pod coredns-1 is not scheduled: 0/2 nodes: untolerated taint.",
        ),
        (
            [pod(container(state={"waiting": {"reason": "ErrImageNeverPull", "message": "image is not present"}}))],
            {"availableReplicas": 0},
            "Pod coredns-1 has no image: image is not present.",
        ),
        ([], {"availableReplicas": 0, "updatedReplicas": 0, "replicas": 0}, "0 of 2 pods available, 0 made."),
        ([], {"observedGeneration": 0}, "The controller manager has not processed it yet."),
        ([pod(container())], {"availableReplicas": 1}, "1 of 2 pods available. Pod coredns-1 is starting."),
    ],
)
def test_pods_that_are_not_there_are_told_with_the_reason(cluster, capsys, items, status, said):
    cluster.answer(DEPLOYMENTS, deployment(**status))
    cluster.answer(PODS, {"items": items})
    exit_status, out = doctor(capsys)
    assert exit_status == 1 and "FAIL  coredns: " in out and said in out


def test_an_addon_that_is_not_there_at_all_is_missing(cluster, capsys):
    cluster.answer(DEPLOYMENTS, {"items": []})
    status, out = doctor(capsys)
    assert status == 1 and "FAIL  coredns: Deployment coredns is missing." in out


def test_a_machine_that_dns_does_not_answer_is_named(cluster, capsys, monkeypatch):
    monkeypatch.setattr(cluster, "console", READY.replace("dns=ok", "dns=timeout"), raising=False)
    status, out = doctor(capsys)
    assert status == 1
    assert "FAIL  cluster DNS: It does not answer master1 (timeout), worker-general-1 (timeout)." in out
    assert run("apply", "--yes", "--timeout", "0") == 1


def test_dns_that_a_policy_closes_to_machines_is_only_a_warning(cluster, capsys, monkeypatch):
    monkeypatch.setattr(cluster, "console", READY.replace("dns=ok", "dns=timeout"), raising=False)
    cluster.answer(POLICIES, {"items": [{"metadata": {"name": "pods-only"}}]})
    status, out = doctor(capsys)
    assert status == 0 and "warn  cluster DNS: " in out and "A NetworkPolicy in kube-system may refuse" in out
    assert run("apply", "--yes", "--timeout", "0") == 0


def tainted(**spec):
    return {"items": [NODES[0], NODES[1] | {"spec": spec}]}


def test_a_machine_that_takes_no_pods_is_waited_for(cluster, capsys):
    pressure = [{"key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule"}]
    cluster.answer("/api/v1/nodes?resourceVersion=0", tainted(taints=pressure))
    status, out = doctor(capsys)
    assert status == 1
    assert "pods on worker-general-1: Its node takes none: node.kubernetes.io/disk-pressure (NoSchedule)." in out
    assert run("apply", "--yes", "--timeout", "0") == 1


def test_a_machine_that_a_person_cordoned_is_reported_and_not_waited_for(cluster, capsys):
    cordon = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    cluster.answer("/api/v1/nodes?resourceVersion=0", tainted(taints=[cordon], unschedulable=True))
    assert run("apply", "--yes", "--timeout", "0") == 0
    assert "Its node is cordoned: `kubectl uncordon worker-general-1` ends that." in capsys.readouterr().out
    status, out = doctor(capsys)
    assert status == 0 and "warn  worker-general-1: ready\n      Its node is cordoned" in out
    assert run("status") == 0


def test_taints_of_the_definition_and_of_others_are_no_fault(cluster, capsys):
    cluster.answer(
        "/api/v1/nodes?resourceVersion=0",
        tainted(taints=[{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}, GPU]),
    )
    assert run("apply", "--yes", "--timeout", "0") == 0 and run("doctor") == 0


GPU = {"key": "gpu", "value": "yes", "effect": "NoExecute"}


@pytest.mark.parametrize("stage", ["boot", "etcd"])
def test_an_api_that_is_starting_is_not_asked(cluster, monkeypatch, capsys, stage):
    asked = []
    usual = Api.do_GET
    monkeypatch.setattr(Api, "do_GET", lambda self: asked.append(self.path) or usual(self))
    monkeypatch.setattr(cluster, "console", f"anywhere: stage={stage} t=9.0\n", raising=False)
    assert run("status") == 1 and run("doctor") == 1 and run("apply", "--yes", "--timeout", "0") == 1
    assert asked == []


def test_a_cluster_works_only_once_it_does_in_two_looks_in_a_row(cluster, monkeypatch):
    """And only once kubectl's first request would be answered."""
    asked, counts = [], iter((2, 1, 2, 2))
    usual = Api.do_GET

    def answer(self):
        asked.append(self.path.split("?")[0])
        if self.path == DEPLOYMENTS:
            cluster.answer(DEPLOYMENTS, deployment(availableReplicas=next(counts)))
        usual(self)

    monkeypatch.setattr(Api, "do_GET", answer)
    assert run("apply", "--yes", "--timeout", "20") == 0
    assert list(counts) == []
    assert [asked.count(path) for path in ("/openapi/v2", "/openapi/v3/api/v1")] == [1, 1]


def test_an_api_that_does_not_describe_itself_is_not_ready_for_kubectl(cluster, monkeypatch, capsys):
    monkeypatch.delitem(Api.answers, "/openapi/v2")
    assert run("apply", "--yes", "--timeout", "0") == 1
    assert "API: The API answers GET /openapi/v2 with 404" in capsys.readouterr().err
