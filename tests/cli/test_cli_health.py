"""A cluster whose machines are Ready, but which does not work: what apply, status and doctor say of it."""

import json
import re

import pytest

from generator import pki, store
from generator.operations import project
from tests.cli.target import COREDNS, DEPLOYMENTS, NODES, PODS, POLICIES, READY, run
from tests.test_kubernetes import Api
from tests.test_workloads import container, pod

LOG = "/api/v1/namespaces/kube-system/pods/coredns-1/log?container=coredns&tailLines=1"
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
