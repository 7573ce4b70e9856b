"""What is read from the API's own objects."""

import pytest
from ruamel.yaml import YAML

from generator import addons, workloads
from generator.kubernetes import node_of
from generator.workloads import CRASHES, NO_IMAGE, NOT_CREATED, UNSCHEDULED
from tests import golden

SCHEDULED = {"type": "PodScheduled", "status": "True"}


def deployment(**status):
    return {
        "metadata": {"name": "coredns", "generation": 2},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"k8s-app": "kube-dns"}}},
        "status": {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, **status},
    }


def daemon_set(**status):
    counts = dict.fromkeys(("currentNumberScheduled", "updatedNumberScheduled", "numberAvailable"), 2)
    return {
        "metadata": {"name": "weave-npc", "generation": 2},
        "spec": {"selector": {"matchLabels": {"name": "weave-npc"}}},
        "status": {"observedGeneration": 2, "desiredNumberScheduled": 2, **counts, **status},
    }


def pod(*containers, conditions=(SCHEDULED,), name="coredns-1"):
    return {
        "metadata": {"name": name, "labels": {"k8s-app": "kube-dns", "pod-template-hash": "7d9f"}},
        "spec": {"nodeName": "worker-1"},
        "status": {"conditions": list(conditions), "containerStatuses": list(containers)},
    }


def container(restarts=0, ready=False, **states):
    return {"name": "coredns", "ready": ready, "restartCount": restarts, **states}


@pytest.mark.parametrize("case", golden.CASES)
def test_the_workloads_are_those_of_the_manifests(case):
    definition, lock, _ = golden.load(case)
    made = set()
    for text in addons.manifests(definition, lock, "10.96.0.10")["cluster"].values():
        for item in YAML(typ="safe", pure=True).load_all(text):
            if item["kind"] in ("Deployment", "DaemonSet"):
                made.add((item["kind"], item["metadata"]["name"]))
                assert item["metadata"]["namespace"] == "kube-system"
    assert set(addons.workloads(definition, lock)) == made


def test_who_wants_another_dns_waits_for_none():
    definition, lock, _ = golden.load("quickstart-flannel")
    assert addons.workloads(definition, lock) == (("Deployment", "coredns"),)
    object.__setattr__(definition, "addons", ())
    assert addons.workloads(definition, lock) == ()


def test_a_deployment_is_rolled_out_once_all_pods_of_its_version_are_available():
    assert workloads.deployment_of(deployment()).rolled_out


@pytest.mark.parametrize(
    "status",
    [{"observedGeneration": 1}, {"updatedReplicas": 1}, {"availableReplicas": 1}, {"replicas": 3}],
)
def test_a_deployment_that_is_behind_is_not(status):
    assert not workloads.deployment_of(deployment(**status)).rolled_out


def test_a_deployment_that_nobody_processed_has_no_status():
    item = deployment()
    del item["status"]
    found = workloads.deployment_of(item)
    assert not found.processed and not found.rolled_out and found.wanted == 2


def test_a_deployment_says_why_its_pods_cannot_be_made():
    failure = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}
    assert workloads.deployment_of(deployment(conditions=[failure])).reason == "exceeded quota"


def test_a_daemon_set_counts_the_nodes_that_are_ready():
    """Neither nodes whose machine is gone, nor only those that its controller has heard of."""
    assert workloads.daemon_set_of(daemon_set(), 2).rolled_out
    assert workloads.daemon_set_of(daemon_set(desiredNumberScheduled=3, currentNumberScheduled=3), 2).rolled_out
    assert not workloads.daemon_set_of(daemon_set(), 3).rolled_out


@pytest.mark.parametrize("status", [{"observedGeneration": 1}, {"updatedNumberScheduled": 1}, {"numberAvailable": 1}])
def test_a_daemon_set_that_is_behind_is_not_rolled_out(status):
    assert not workloads.daemon_set_of(daemon_set(**status), 2).rolled_out


EXITED = {"terminated": {"reason": "Error", "exitCode": 1}}


@pytest.mark.parametrize(
    ("item", "trouble", "detail"),
    [
        (
            pod(container(5, state={"waiting": {"reason": "CrashLoopBackOff"}}, lastState=EXITED)),
            CRASHES,
            "Error, exit 1, 5 restarts",
        ),
        (pod(container(0, state=EXITED)), CRASHES, "Error, exit 1, 0 restarts"),
        (pod(container(1, state={"running": {}}, lastState=EXITED)), CRASHES, "Error, exit 1, 1 restart"),
        (
            pod(container(state={"waiting": {"reason": "ErrImageNeverPull", "message": "image is not present"}})),
            NO_IMAGE,
            "image is not present",
        ),
        (pod(container(state={"waiting": {"reason": "ImagePullBackOff"}})), NO_IMAGE, "ImagePullBackOff"),
        (
            pod(container(state={"waiting": {"reason": "CreateContainerConfigError", "message": "no ConfigMap"}})),
            NOT_CREATED,
            "no ConfigMap",
        ),
        (
            pod(conditions=({"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available"},)),
            UNSCHEDULED,
            "0/2 nodes are available",
        ),
        (pod(conditions=()), UNSCHEDULED, "no scheduler has looked at it"),
        (pod(container(state={"waiting": {"reason": "ContainerCreating"}})), "", ""),
        (pod(container(state={"running": {}})), "", ""),
    ],
)
def test_what_is_wrong_with_a_pod(item, trouble, detail):
    found = workloads.pod_of(item)
    assert (found.trouble, found.detail, found.ready) == (trouble, detail, False)
    assert (found.container == "coredns") == (trouble == CRASHES)


def test_a_pod_that_is_ready_has_no_trouble_whatever_it_went_through():
    ready = {"type": "Ready", "status": "True"}
    found = workloads.pod_of(pod(container(9, True, lastState=EXITED), conditions=(SCHEDULED, ready)))
    assert found.ready and found.trouble == "" and found.restarts == 9


def test_an_init_container_may_crash_too():
    item = pod(container(state={"waiting": {"reason": "PodInitializing"}}))
    item["status"]["initContainerStatuses"] = [container(3, state={"waiting": {"reason": "CrashLoopBackOff"}})]
    assert workloads.pod_of(item).trouble == CRASHES


def test_pods_are_those_that_the_workload_selects():
    own, other = workloads.pod_of(pod()), workloads.pod_of(pod() | {"metadata": {"name": "x", "labels": {"a": "b"}}})
    assert workloads.pods_of(workloads.deployment_of(deployment()), (other, own)) == (own,)


def test_a_lease_has_its_machine_as_holder():
    spec = {"holderIdentity": "master2_5f0c", "renewTime": "2026-01-01T00:00:00.000000Z", "leaseTransitions": 4}
    found = workloads.lease_of({"metadata": {"name": "kube-scheduler"}, "spec": spec})
    assert (found.holder, found.transitions) == ("master2", 4)
    assert workloads.lease_of({"metadata": {"name": "kube-scheduler"}, "spec": {}}).holder == ""


def test_a_node_has_the_taints_that_keep_pods_away():
    taints = [
        {"key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule"},
        {"key": "gpu", "value": "yes", "effect": "PreferNoSchedule"},
    ]
    node = node_of({"metadata": {"name": "a"}, "spec": {"taints": taints, "unschedulable": True}})
    assert node.taints == ("node.kubernetes.io/disk-pressure=:NoSchedule",) and node.cordoned
