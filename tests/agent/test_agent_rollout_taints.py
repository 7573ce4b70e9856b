"""Taints that evict pods, as the leading master brings them to nodes that are there: in order, after a drain."""

import pytest
from agent import cordon
from agent.turns.worker import RELEASE
from node_api import node
from rollout_cluster import Cluster


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    return Cluster(tmp_path, monkeypatch)


def with_evicting_taint(cluster, number):
    """Nodes of a pool that run the release, which now has a taint for them that evicts pods."""
    for n in range(1, number + 1):
        cluster.api.nodes[f"worker-batch-{n}"] = node(f"worker-batch-{n}")
    digest = cluster.publish_taints("worker-batch", "dedicated=batch:NoExecute")
    for n in range(1, number + 1):
        cluster.said(f"worker-batch-{n}")[RELEASE] = digest


def tainted(cluster):
    return sorted(name for name, found in cluster.api.nodes.items() if found["spec"].get("taints") and "batch" in name)


def test_a_taint_that_evicts_pods_reaches_one_drained_node_after_the_other(cluster):
    with_evicting_taint(cluster, 3)
    for n in (1, 2, 3):
        assert cluster.controller.look() is True
        assert tainted(cluster) == cluster.drained == [f"worker-batch-{each}" for each in range(1, n + 1)]
        assert not any("unschedulable" in found["spec"] for found in cluster.api.nodes.values())
        assert cluster.status()["left"][0] == f"worker-batch-{n}"
    assert cluster.controller.look() is False
    assert cluster.status()["left"] == [] and len(cluster.drained) == 3


def test_a_disruption_budget_stops_a_taint_that_evicts_pods(cluster):
    with_evicting_taint(cluster, 1)
    cluster.stuck = {"worker-batch-1"}
    cluster.controller.look()
    cluster.controller.look()
    assert tainted(cluster) == [] and list(cluster.status()["stuck"]) == ["worker-batch-1"]
    assert not any("unschedulable" in found["spec"] for found in cluster.api.nodes.values())
    cluster.stuck = set()
    cluster.controller.look()
    assert tainted(cluster) == ["worker-batch-1"] and cluster.status()["stuck"] == {}


@pytest.mark.parametrize("name", ["master2", "worker-batch-1"])
def test_a_node_that_was_tainted_while_its_master_was_killed_is_opened_again(cluster, name):
    with_evicting_taint(cluster, 1)
    cluster.api.nodes["worker-batch-1"]["spec"]["taints"] = [
        {"key": "dedicated", "value": "batch", "effect": "NoExecute"}
    ]
    cluster.said(name)[cordon.CORDONED] = "yes"
    cluster.api.nodes[name]["spec"]["unschedulable"] = True
    cluster.controller.look()
    assert "unschedulable" not in cluster.api.nodes[name]["spec"] and cluster.drained == []


def test_a_node_that_is_not_ready_has_no_pods_to_spare(cluster):
    with_evicting_taint(cluster, 2)
    cluster.api.nodes["worker-batch-1"]["status"]["conditions"][0]["status"] = "Unknown"
    cluster.controller.look()
    assert tainted(cluster) == ["worker-batch-1", "worker-batch-2"] and cluster.drained == ["worker-batch-2"]


def test_a_node_that_cannot_be_drained_holds_up_no_other(cluster):
    with_evicting_taint(cluster, 3)
    cluster.stuck = {"worker-batch-1"}
    for _ in range(4):
        cluster.controller.look()
    assert tainted(cluster) == ["worker-batch-2", "worker-batch-3"]
    assert cluster.status()["left"] == list(cluster.status()["stuck"]) == ["worker-batch-1"]


@pytest.mark.parametrize("why", ["a minor version", "a boot"])
def test_a_node_that_was_emptied_for_its_turn_is_tainted_after_that(cluster, why):
    digest = cluster.publish_taints("worker-batch", "dedicated=batch:NoExecute")
    cluster.api.nodes["worker-batch-1"] = node("worker-batch-1", version="v1.0.0", release="old", waits=digest)
    if why == "a boot":
        cluster.api.nodes["worker-batch-1"] = node("worker-batch-1", release="old", turn=digest, boots=digest)
    cluster.controller.look()
    assert cluster.api.nodes["worker-batch-1"]["spec"] == {"unschedulable": True}
    assert cluster.drained == ["worker-batch-1"]
    cluster.said("worker-batch-1")[RELEASE] = digest
    for _ in range(2):
        cluster.controller.look()
    assert tainted(cluster) == ["worker-batch-1"] and cluster.status()["left"] == ["worker-batch-1"]
    assert cluster.controller.look() is False


def test_a_taint_that_the_release_no_longer_has_is_waited_for_by_nobody(cluster):
    with_evicting_taint(cluster, 1)
    cluster.stuck = {"worker-batch-1"}
    cluster.controller.look()
    cluster.said("worker-batch-1")[RELEASE] = cluster.publish_taints("worker-batch")
    assert cluster.controller.look() is False
    assert cluster.status()["stuck"] == {} and tainted(cluster) == []
