"""The rollout to workers: what the leading master does at each look, and what it tells."""

import hashlib
import json
import time

import pytest
from agent import containers, cordon, halts, kubectl, pool_settings, rollout
from agent.api import ApiError
from agent.halts import Halt
from agent.retire import RETIRED
from agent.rollout import RESUME, STATUS, Controller
from agent.turns import Stop, Waiting
from agent.turns.worker import HALTED, RELEASE, TURN
from node_api import VERSION, node
from rollout_cluster import ALL, DIGEST, IDENTITY, TEXT, Cluster


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    return Cluster(tmp_path, monkeypatch)


def test_workers_have_their_turn_in_waves_until_all_run_the_release(cluster):
    cluster.workers(40)
    given = []
    for _ in range(7):
        assert cluster.controller.look() is True
        given.append(len(cluster.given()))
        cluster.controller.look()
        assert len(cluster.given()) == given[-1]  # a wave that is under way is waited for
        cluster.converge()
    assert given == [1, 3, 11, 19, 27, 35, 40]
    assert cluster.controller.look() is False
    assert cluster.drained == []


def test_no_wave_begins_while_a_worker_that_had_its_turn_is_not_ready(cluster):
    cluster.workers(10)
    cluster.controller.look()
    cluster.converge()
    (first,) = cluster.given()
    cluster.api.nodes[first]["status"]["conditions"][0]["status"] = "Unknown"
    cluster.controller.look()
    assert cluster.given() == [first]
    cluster.api.nodes[first]["status"]["conditions"][0]["status"] = "True"
    cluster.controller.look()
    assert len(cluster.given()) == 2


@pytest.mark.parametrize("component", ALL)
def test_no_worker_has_its_turn_before_the_control_plane_runs_the_release(cluster, component):
    cluster.workers(3)
    cluster.record(*set(ALL) - {component}, names=["master2"], digest=DIGEST)
    assert cluster.controller.look() is True
    assert cluster.given() == [] and cluster.status()["left"][0] == "master2"
    cluster.record(*ALL, names=["master2"], digest=DIGEST)
    cluster.controller.look()
    assert len(cluster.given()) == 1


def test_only_workers_are_given_turns(cluster):
    cluster.api.nodes["other"] = node("other", waits=DIGEST)
    cluster.said("master1")["anywhere/waits"] = DIGEST
    cluster.controller.look()
    assert cluster.given() == []


def test_a_new_release_is_seen_at_the_next_look(cluster):
    cluster.workers(3)
    cluster.controller.look()
    cluster.document.write_text(TEXT + "\n")
    cluster.controller.look()
    assert cluster.status()["release"] == hashlib.sha256((TEXT + "\n").encode()).hexdigest()[:12]
    assert [name for name in cluster.status()["left"] if name.startswith("master")] == ["master1", "master2", "master3"]


# Pods


def test_pods_move_before_a_kubelet_of_another_minor_version_and_come_back_after_it(cluster):
    cluster.workers(2, version="v1.34.9")
    cluster.controller.look()
    (first,) = cluster.given()
    assert cluster.drained == [first] and cluster.api.nodes[first]["spec"]["unschedulable"]
    cluster.controller.look()
    assert cluster.api.nodes[first]["spec"]["unschedulable"]
    cluster.converge()
    cluster.controller.look()
    assert cluster.api.nodes[first]["spec"] == {} and cordon.CORDONED not in cluster.said(first)


def test_a_large_wave_is_drained_a_few_at_a_time(cluster, monkeypatch):
    """Each takes a process of the master, which need not be large."""
    cluster.workers(200, version="v1.34.9")
    cluster.controller.look()
    cluster.converge()
    cluster.controller.look()
    cluster.converge()
    busy, most = set(), []

    def drain(image, container, verb, name, *options):
        busy.add(name)
        most.append(len(busy))
        time.sleep(0.01)
        busy.remove(name)

    monkeypatch.setattr(kubectl, "run", drain)
    cluster.controller.look()
    assert len(most) == 40 and 1 < max(most) <= rollout.AT_ONCE


def test_a_worker_that_is_not_ready_gets_no_pods_yet(cluster):
    cluster.workers(1, version="v1.34.9")
    cluster.controller.look()
    cluster.converge()
    (first,) = cluster.given()
    cluster.api.nodes[first]["status"]["conditions"][0]["status"] = "False"
    cluster.controller.look()
    assert cluster.api.nodes[first]["spec"]["unschedulable"]


def test_a_worker_whose_pods_do_not_move_is_named_and_tried_again(cluster):
    cluster.workers(2, version="v1.34.9")
    cluster.stuck = {"worker-general-001"}
    cluster.controller.look()
    assert cluster.given() == [] and "unschedulable" not in cluster.api.nodes["worker-general-001"]["spec"]
    assert "a disruption budget forbids it" in cluster.status()["stuck"]["worker-general-001"]
    cluster.stuck.clear()
    cluster.controller.look()
    assert cluster.given() == ["worker-general-001"] and cluster.status()["stuck"] == {}


# Halts


def halt(cluster, name="worker-general-001", **changes):
    described = {"component": "kubelet", "identity": IDENTITY, "release": DIGEST, "reason": "not ready"} | changes
    cluster.said(name)[HALTED] = json.dumps(described)


def test_what_a_worker_put_back_is_told_to_all_and_ends_the_turns(cluster):
    cluster.workers(10)
    cluster.controller.look()
    cluster.converge()
    halt(cluster)
    cluster.controller.look()
    assert len(cluster.given()) == 1
    found = Halt("kubelet", IDENTITY, DIGEST, "worker-general-001", "not ready")
    assert halts.read(cluster.client) == {"kubelet": found}
    assert cluster.status()["halted"] == [
        {"machine": "worker-general-001", "component": "kubelet", "reason": "not ready"}
    ]


def test_what_a_master_put_back_ends_the_turns_of_workers(cluster):
    cluster.workers(10)
    halts.record(cluster.client, Halt("kubelet", IDENTITY, DIGEST, "master2", "not ready"))
    cluster.controller.look()
    assert cluster.given() == [] and cluster.status()["halted"][0]["machine"] == "master2"


def test_a_halt_is_over_with_the_release_that_had_it(cluster):
    cluster.workers(10)
    halt(cluster, identity="of another release")
    cluster.controller.look()
    assert len(cluster.given()) == 1 and cluster.status()["halted"] == []


def test_a_person_resumes_and_each_machine_may_try_again(cluster):
    cluster.workers(10)
    halt(cluster)
    cluster.controller.look()
    assert cluster.given() == []
    cluster.api.objects[STATUS]["metadata"]["annotations"][RESUME] = "yes"
    cluster.controller.look()
    assert HALTED not in cluster.said("worker-general-001") and halts.read(cluster.client) == {}
    assert RESUME not in cluster.api.objects[STATUS]["metadata"]["annotations"]
    assert len(cluster.given()) == 1 and cluster.status()["halted"] == []
    with pytest.raises(Waiting), cluster.turns("master1", DIGEST).take(Stop("kubelet", IDENTITY, lambda: False)):
        raise Waiting("it would be tried")


def test_an_api_that_does_not_say_whether_a_person_resumes_is_asked_again(cluster, monkeypatch):
    """Until then nothing is known of halts to forget, so nobody has a turn."""
    cluster.workers(10)
    call = cluster.api.call

    def refuse(method, path, *more):
        if path == STATUS:
            raise ApiError("GET", 500, "")
        return call(method, path, *more)

    monkeypatch.setattr(cluster.api, "call", refuse)
    with pytest.raises(ApiError, match="500"):
        cluster.controller.look()
    assert cluster.given() == []


def test_a_halt_of_the_network_ends_the_turns_too(cluster):
    cluster.workers(10)
    halt(cluster, component="network", identity="of this network")
    cluster.controller.look()
    assert cluster.given() == [] and cluster.status()["halted"][0]["component"] == "network"


def test_a_halt_of_the_network_is_over_with_the_release_that_had_it(cluster):
    cluster.workers(10)
    halt(cluster, component="network", identity="of this network")
    cluster.controller.look()
    changed = TEXT.replace('"encryption": true', '"encryption": false')
    digest = hashlib.sha256(changed.encode()).hexdigest()
    assert changed != TEXT
    cluster.document.write_text(changed)
    cluster.turns("master1", digest).done("network", "of another network")
    cluster.record(*ALL, digest=digest)
    for name in list(cluster.api.nodes):
        if name.startswith("worker-"):
            cluster.said(name)["anywhere/waits"] = digest
    cluster.controller.look()
    assert [name for name in cluster.api.nodes if cluster.said(name).get(TURN) == digest] == ["worker-general-001"]
    assert cluster.status()["halted"] == []


@pytest.mark.parametrize("said", ["", "no JSON", "[]", '{"more": 1}', '{"machine": "master1"}', "null", '"kubelet"'])
def test_what_a_worker_says_wrongly_stops_nobody(cluster, said):
    cluster.workers(10)
    cluster.said("worker-general-005")[HALTED] = said
    cluster.controller.look()
    assert len(cluster.given()) == 1


def test_a_worker_cannot_halt_what_it_does_not_have(cluster):
    cluster.workers(10)
    etcd = cluster.release["roles"]["master"]["containers"][0]
    halt(cluster, component="etcd", identity=containers.identity_of(cluster.release, etcd))
    cluster.controller.look()
    assert "etcd" not in halts.read(cluster.client)


# Labels, taints and what is told


def test_no_worker_waits_for_the_labels_of_all_the_others(cluster):
    """With a thousand nodes those take as long as some waves."""
    cluster.workers(40)
    cluster.controller.look()
    (given,) = cluster.given()
    changes = [path.rpartition("/")[2] for _, path in cluster.api.calls]
    assert changes[0] == given and changes[-1] == STATUS.rpartition("/")[2] and len(changes) > 40
    labelled = [name for name in cluster.api.nodes if pool_settings.SET in cluster.said(name)]
    assert given not in labelled and len(labelled) == 42
    cluster.controller.look()
    assert pool_settings.SET in cluster.said(given)


def test_labels_and_taints_follow_once_the_control_plane_runs_the_release(cluster):
    cluster.api.nodes["worker-batch-1"] = node("worker-batch-1", release=DIGEST)
    cluster.record("etcd", digest=DIGEST)
    cluster.controller.look()
    assert "taints" not in cluster.api.nodes["worker-batch-1"]["spec"]
    cluster.record(*ALL, digest=DIGEST)
    cluster.controller.look()
    found = cluster.api.nodes["worker-batch-1"]
    assert found["metadata"]["labels"] == {"example.com/tier": "batch", "node.kubernetes.io/pool": "batch"}
    assert found["spec"]["taints"] == [{"key": "dedicated", "value": "batch", "effect": "NoSchedule"}]
    assert [taint["key"] for taint in cluster.api.nodes["master1"]["spec"]["taints"]] == [
        "node-role.kubernetes.io/control-plane"
    ]


def test_a_pool_that_the_release_no_longer_has_is_left_alone(cluster):
    cluster.api.nodes["worker-old-1"] = node("worker-old-1", taints=[{"key": "a", "effect": "NoSchedule"}])
    before = cluster.api.seen("worker-old-1")
    cluster.controller.look()
    assert cluster.api.nodes["worker-old-1"] == before


def test_how_far_it_is_is_told_where_anywhere_reads_it_and_only_when_it_changes(cluster):
    cluster.workers(2)
    cluster.record(RETIRED, names=["master1"], digest="e" * 64)
    cluster.client.put("/anywhere/machines/master4", json.dumps({"release": DIGEST, "done": [RETIRED]}))
    cluster.record(*ALL, digest=DIGEST)
    cluster.controller.look()
    assert cluster.status() == {
        "release": DIGEST[:12], "kubernetes": VERSION, "etcd": "7619062553881380903",
        "members": ["etcd1", "etcd2", "etcd3"], "left": ["worker-general-001", "worker-general-002"],
        "retired": ["master4"], "stuck": {}, "halted": [],
    }  # fmt: skip
    applied = [call for call in cluster.api.calls if call[0] == "APPLY"]
    cluster.controller.look()
    assert [call for call in cluster.api.calls if call[0] == "APPLY"] == applied
    cluster.said("worker-general-001")[RELEASE] = DIGEST
    cluster.controller.look()
    assert cluster.status()["left"] == ["worker-general-002"]


# Leading


def test_one_master_leads_and_another_once_it_does_not(cluster, monkeypatch):
    looks = []

    class Ends(Controller):
        def look(self):
            looks.append(self)
            rollout.lead(cluster.document, cluster.host("master3"))  # does nothing
            cluster.client.delete(rollout.LEADER)
            return True

    monkeypatch.setattr(rollout, "Controller", Ends)
    monkeypatch.setattr(rollout, "LOOK_SECONDS", 0)
    rollout.lead(cluster.document, cluster.host("master1"))
    assert len(looks) == 1
    rollout.lead(cluster.document, cluster.host("master2"))
    assert len(looks) == 2 and cluster.etcd.leases == {}


def test_a_look_that_fails_ends_the_lead(cluster, monkeypatch):
    monkeypatch.setattr(cluster.api, "call", lambda *_: (_ for _ in ()).throw(ConnectionRefusedError()))
    with pytest.raises(ConnectionRefusedError):
        rollout.lead(cluster.document, cluster.host("master1"))
    assert cluster.client.get(rollout.LEADER) is None and cluster.etcd.leases == {}
