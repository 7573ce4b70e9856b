"""The rollout of packages to workers: those that have to boot do so one after the other."""

import json

import pytest
from agent import debian, halts
from agent.host import NodeError
from agent.turns.worker import BOOTS, EMPTIED, HALTED, RELEASE, TURN
from releases import release
from rollout_cluster import DIGEST, Cluster


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    return Cluster(tmp_path, monkeypatch)


def booting(cluster, *numbers):
    """Workers that have their turn, and ask to boot."""
    for n in numbers:
        cluster.said(f"worker-general-{n:03}").update({TURN: DIGEST, BOOTS: DIGEST})


def emptied(cluster):
    return [name for name in sorted(cluster.api.nodes) if cluster.said(name).get(EMPTIED) == DIGEST]


def test_workers_whose_packages_take_a_boot_are_emptied_one_after_the_other(cluster):
    cluster.workers(5)
    booting(cluster, 1, 2, 3)
    for n in (1, 2, 3):
        name = f"worker-general-{n:03}"
        for _ in range(2):
            cluster.controller.look()
            assert emptied(cluster)[-1:] == [name] and cluster.drained[-1] == name and len(cluster.drained) == n
        cluster.said(name).update({RELEASE: DIGEST})
        del cluster.said(name)[EMPTIED]
    cluster.controller.look()
    assert all("unschedulable" not in cluster.api.nodes[f"worker-general-{n:03}"]["spec"] for n in (1, 2, 3))


def test_a_worker_that_cannot_be_emptied_does_not_boot_and_is_said(cluster):
    cluster.workers(2)
    booting(cluster, 1)
    cluster.stuck.add("worker-general-001")
    cluster.controller.look()
    assert emptied(cluster) == [] and "disruption budget" in cluster.status()["stuck"]["worker-general-001"]
    cluster.stuck.clear()
    cluster.controller.look()
    assert emptied(cluster) == ["worker-general-001"] and cluster.status()["stuck"] == {}


def test_packages_that_failed_on_a_worker_halt_the_rollout(cluster):
    cluster.workers(5)
    identity = debian.identity_of(release("ha"))
    said = {"component": "debian", "identity": identity, "release": DIGEST, "reason": "tool: exit 3"}
    cluster.said("worker-general-001").update({TURN: DIGEST, HALTED: json.dumps(said)})
    booting(cluster, 2)
    cluster.controller.look()
    assert [h["component"] for h in cluster.status()["halted"]] == ["debian"] and emptied(cluster) == []
    with pytest.raises(NodeError, match="worker-general-001 could not update its packages: tool: exit 3"):
        halts.refuse(cluster.client, "debian", identity)
