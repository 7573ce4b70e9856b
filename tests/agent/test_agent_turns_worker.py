"""The turns of a worker: what it says on its own node, and what it takes from there."""

import json
import os
import time

import pytest
from agent import cordon, halts
from agent.api import ApiError
from agent.host import Host, NodeError
from agent.turns import Stop, Waiting, worker
from agent.turns.worker import BOOTS, EMPTIED, HALTED, RELEASE, TURN, WAITS, Worker
from node_api import Api, node

NAME = "worker-general-1"
ME = Host(NAME, "worker", "worker-general", "10.20.4.1", "10.0.2.100", 1500)
AWAY = [ApiError("GET", 401, "Unauthorized"), ConnectionRefusedError(), TimeoutError(), FileNotFoundError("no key")]


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """The API with the worker's node; `away` is what asking it raises, if anything."""
    api = Api(node(NAME), node("worker-general-2"))
    api.away = None

    def connected(self):
        if api.away:
            raise api.away
        return api

    monkeypatch.setattr(Worker, "_api", connected)
    monkeypatch.setattr(worker, "REPORTED", tmp_path / "reported")
    monkeypatch.setattr(halts, "RUN", tmp_path / "run")
    return api


def turns(digest="b"):
    return Worker(ME, digest)


def stop(component="kubelet", identity="new", serving=True):
    return Stop(component, identity, lambda: serving)


def said(api):
    return api.nodes[NAME]["metadata"]["annotations"]


def taken(own, what):
    with own.take(what):
        return True


def put_back(own, what, reason="not ready"):
    with pytest.raises(NodeError, match=reason), own.take(what):
        raise NodeError(reason)


def test_a_worker_asks_for_its_turn_and_stops_nothing_before_it_is_given(cluster):
    with pytest.raises(Waiting, match="the masters, who give each worker its turn"):
        taken(turns(), stop())
    assert said(cluster) == {WAITS: "b"}
    said(cluster)[TURN] = "a"
    with pytest.raises(Waiting):
        taken(turns(), stop())
    said(cluster)[TURN] = "b"
    assert taken(turns(), stop())


def test_a_worker_that_waits_does_not_repeat_it(cluster):
    """A thousand of them look twice a minute."""
    for _ in range(3):
        with pytest.raises(Waiting):
            taken(turns(), stop())
    assert len(cluster.calls) == 1
    said(cluster).clear()  # registered anew
    with pytest.raises(Waiting):
        taken(turns(), stop())
    assert said(cluster) == {WAITS: "b"}


def test_what_does_not_serve_has_nothing_to_lose(cluster):
    assert taken(turns(), stop(serving=False))
    assert said(cluster) == {}


@pytest.mark.parametrize("away", AWAY)
def test_without_the_api_what_serves_is_left_alone_and_what_does_not_is_replaced(cluster, away):
    """It may be why the API does not answer."""
    said(cluster)[TURN] = "b"
    cluster.away = away
    with pytest.raises(Waiting):
        taken(turns(), stop())
    assert taken(turns(), stop(serving=False))


def test_what_it_puts_back_it_tells_the_masters_and_does_not_try_again(cluster):
    said(cluster)[TURN] = "b"
    put_back(turns(), stop(), "not ready: " + "x" * 1000)
    halted = json.loads(said(cluster)[HALTED])
    assert (halted["component"], halted["identity"], halted["release"]) == ("kubelet", "new", "b")
    assert halted["reason"].startswith("not ready: x") and len(halted["reason"]) == 500
    for serving in (True, False):
        with pytest.raises(NodeError, match="kubelet was put back: not ready"):
            taken(turns(), stop(serving=serving))
    assert taken(turns(), stop("kube-proxy"))
    said(cluster)[TURN] = "c"
    assert taken(turns("c"), stop(identity="another"))


@pytest.mark.parametrize("away", AWAY)
def test_what_it_puts_back_without_the_api_it_remembers_for_a_while(cluster, away):
    cluster.away = away
    put_back(turns(), stop(serving=False))
    with pytest.raises(NodeError, match="kubelet: this version was not healthy; next attempt in 30 minutes"):
        taken(turns(), stop(serving=False))
    assert taken(turns(), stop(identity="another", serving=False))


def test_only_what_was_put_back_halts(cluster):
    said(cluster)[TURN] = "b"
    with pytest.raises(Waiting), turns().take(stop()):
        raise Waiting("others")
    assert HALTED not in said(cluster)


def test_the_whole_release_is_reported_once(cluster):
    said(cluster).update({WAITS: "b", TURN: "b", HALTED: "{}", BOOTS: "b", EMPTIED: "b"})
    turns().done("kubelet", "new")
    assert RELEASE not in said(cluster)
    turns().finish()
    assert said(cluster) == {TURN: "b", RELEASE: "b"}
    cluster.calls.clear()
    turns().finish()
    assert cluster.calls == []
    turns("c").finish()
    assert said(cluster)[RELEASE] == "c"


def test_what_is_no_longer_on_the_node_is_reported_again_after_a_while(cluster, monkeypatch):
    """The node was deleted and made again, or the cluster restored from a snapshot."""
    turns().finish()
    said(cluster).clear()
    later = time.monotonic() + 3600
    monkeypatch.setattr(time, "monotonic", lambda: later)
    os.utime(worker.REPORTED, (time.time() - 3600,) * 2)
    turns().finish()
    assert said(cluster).get(RELEASE) == "b"


@pytest.mark.parametrize("away", AWAY)
def test_what_could_not_be_reported_is_reported_later(cluster, capsys, away):
    cluster.away = away
    turns().finish()
    assert "not reported yet" in capsys.readouterr().out
    cluster.away = None
    turns().finish()
    assert said(cluster)[RELEASE] == "b"


def test_what_hangs_is_started_again_at_once(cluster):
    with turns().hold(stop()):
        assert cluster.calls == []


def test_it_changes_its_own_node_alone(cluster):
    before = cluster.seen("worker-general-2")
    with pytest.raises(Waiting):
        taken(turns(), stop())
    said(cluster)[TURN] = "b"
    put_back(turns(), stop())
    turns().finish()
    assert {path for _, path in cluster.calls} == {f"/api/v1/nodes/{NAME}"}
    assert cluster.nodes["worker-general-2"] == before


def test_a_worker_boots_once_the_masters_have_moved_its_pods(cluster):
    said(cluster)[EMPTIED] = "a"
    with pytest.raises(Waiting, match="the masters, who move its pods"):
        turns().away(stop("debian"))
    assert said(cluster)[BOOTS] == "b"
    said(cluster)[EMPTIED] = "b"
    turns().away(stop("debian"))


@pytest.mark.parametrize("away", AWAY)
def test_a_worker_does_not_boot_without_the_api(cluster, away):
    said(cluster)[EMPTIED], cluster.away = "b", away
    for step in (lambda: turns().away(stop("debian")), turns().back):
        with pytest.raises(Waiting, match="the API"):
            step()


def test_a_worker_is_back_once_its_node_is_ready_in_this_boot(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(cordon, "BOOT", tmp_path / "boot")
    cordon.BOOT.write_text("boot-2\n")
    with pytest.raises(Waiting, match="its node"):
        turns().back()
    cluster.nodes[NAME]["status"]["nodeInfo"]["bootID"] = "boot-2"
    turns().back()
    cluster.nodes[NAME]["status"]["conditions"][0]["status"] = "False"
    with pytest.raises(Waiting, match="its node"):
        turns().back()
