"""How masters see a worker off: one of them drains its node, deletes it, and takes its addresses back."""

import json
import threading
import time
from types import SimpleNamespace

import pytest
from agent import drain, host, kubectl, network
from agent.api import ApiError
from agent.drain import CLAIM, LABEL, Drainer
from agent.host import Host, NodeError
from node_api import Api

NAME = "worker-general-1"


def node(name=NAME, said="boot-1", boot="boot-1", **annotations):
    metadata = {"name": name, "resourceVersion": "1", "labels": {LABEL: said}, "annotations": annotations}
    return {"metadata": metadata, "spec": {}, "status": {"nodeInfo": {"bootID": boot}}}


@pytest.fixture
def master(tmp_path, monkeypatch):
    """What a master does, noted in order; `drained` may be replaced by what happens during a drain."""
    document = tmp_path / "release.json"
    document.write_text(
        json.dumps({"images": {arch: {"hyperkube": {"id": "sha256:h"}} for arch in ("amd64", "arm64")}})
    )
    found = SimpleNamespace(done=[], document=document, drained=lambda: None)

    def run(image, name, *words):
        assert (image, words[0]) == ("sha256:h", "drain")
        found.done.append(f"drain {words[1]}")
        found.drained()
        return "drained"

    monkeypatch.setattr(kubectl, "run", run)
    monkeypatch.setattr(host, "read", lambda release: Host("master1", "master", "master", "", "", 1500))
    net = SimpleNamespace(forget=lambda name: found.done.append(f"forget {name}"))
    monkeypatch.setattr(network, "load", lambda release, me: net)
    return found


def see_to(master, api, name=NAME, me="master1"):
    thread = Drainer(master.document, me).consider(api, api.seen(name))
    if thread:
        thread.join()
    return thread is not None


def test_a_worker_that_leaves_is_drained_deleted_and_forgotten(master):
    api = Api(node(), node("worker-general-2"))
    assert see_to(master, api)
    assert master.done == [f"drain {NAME}", f"forget {NAME}"]
    assert set(api.nodes) == {"worker-general-2"}


@pytest.mark.parametrize("name", ["master1", "etcd1", "other"])
def test_nobody_else_leaves(master, name):
    api = Api(node(name))
    assert not see_to(master, api, name)
    assert master.done == [] and api.nodes == {name: node(name)}


def test_one_master_of_several_takes_it(master):
    api = Api(node())
    seen = api.seen(NAME)
    takers = [Drainer(master.document, me).consider(api, seen) for me in ("master1", "master2", "master3")]
    assert [taker is not None for taker in takers] == [True, False, False]
    takers[0].join()
    assert master.done.count(f"drain {NAME}") == 1


@pytest.mark.parametrize(("seconds", "taken"), [(10, False), (1000, True)])
@pytest.mark.parametrize("days", [-30, 0, 30])
def test_what_another_master_took_is_left_to_it_for_a_while_whatever_its_clock(
    master, monkeypatch, days, seconds, taken
):
    api, drainer = (
        Api(node(**{CLAIM: f"master2 {time.time() + days * 86400:.0f}"})),
        Drainer(master.document, "master1"),
    )
    assert drainer.consider(api, api.seen(NAME)) is None
    later = time.monotonic() + seconds
    monkeypatch.setattr(drain.time, "monotonic", lambda: later)
    thread = drainer.consider(api, api.seen(NAME))
    assert (thread is not None) is taken
    if thread:
        thread.join()


def test_a_newer_claim_is_waited_for_anew(master, monkeypatch):
    api, drainer = Api(node(**{CLAIM: "master2 1"})), Drainer(master.document, "master1")
    drainer.consider(api, api.seen(NAME))
    later = time.monotonic() + 1000
    monkeypatch.setattr(drain.time, "monotonic", lambda: later)
    api.nodes[NAME]["metadata"]["annotations"][CLAIM] = "master3 2"
    assert drainer.consider(api, api.seen(NAME)) is None


def test_what_it_took_itself_before_it_was_started_again_is_done(master):
    assert see_to(master, Api(node(**{CLAIM: f"master1 {time.time():.0f}"})))
    assert master.done == [f"drain {NAME}", f"forget {NAME}"]


def test_a_drain_that_does_not_end_keeps_no_machine(master):
    def fail():
        raise NodeError("a disruption budget forbids it")

    master.drained = fail
    api = Api(node())
    see_to(master, api)
    assert api.nodes == {} and master.done[-1] == f"forget {NAME}"


def test_a_machine_that_came_back_stays(master):
    api = Api(node(boot="boot-2", **{CLAIM: "master2 1"}))
    api.nodes[NAME]["spec"] = {"unschedulable": True}
    assert not see_to(master, api)
    metadata = api.nodes[NAME]["metadata"]
    assert master.done == [] and metadata["labels"] == metadata["annotations"] == api.nodes[NAME]["spec"] == {}


def test_a_machine_that_comes_back_while_it_is_drained_stays(master):
    api = Api(node())

    def boot():
        api.nodes[NAME]["spec"] = {"unschedulable": True}
        api.nodes[NAME]["status"]["nodeInfo"]["bootID"] = "boot-2"

    master.drained = boot
    see_to(master, api)
    assert master.done == [f"drain {NAME}"]
    assert api.nodes[NAME]["spec"] == {} and LABEL not in api.nodes[NAME]["metadata"]["labels"]


def test_a_node_that_is_gone_already_is_forgotten_all_the_same(master):
    api = Api(node())
    master.drained = lambda: api.nodes.clear()
    see_to(master, api)
    assert master.done[-1] == f"forget {NAME}"


def test_the_other_words_of_the_api_are_not_taken_for_gone(master):
    api = Api(node())
    call = api.call

    def refuse(method, path, body=None, kind=""):
        if method == "DELETE":
            raise ApiError("DELETE", 500, "")
        return call(method, path, body, kind)

    api.call = refuse
    see_to(master, api)
    assert master.done == [f"drain {NAME}"] and NAME in api.nodes
    api.call = call
    assert see_to(master, api)
    assert api.nodes == {}


def test_a_master_drains_a_node_once_at_a_time_and_again_where_that_failed(master):
    """The API reports a node with each of its changes, and those of its kubelet do not end before it does."""
    api, drainer, go = Api(node()), Drainer(master.document, "master1"), threading.Event()
    master.drained = lambda: go.wait(60)
    call = api.call

    def refuse(method, *more):
        if method == "DELETE":
            raise ApiError("DELETE", 500, "")
        return call(method, *more)

    api.call = refuse
    first = drainer.consider(api, api.seen(NAME))
    assert drainer.consider(api, api.seen(NAME)) is None
    go.set()
    first.join()
    api.call = call
    drainer.consider(api, api.seen(NAME)).join()
    assert api.nodes == {} and master.done == [f"drain {NAME}", f"drain {NAME}", f"forget {NAME}"]


def test_a_claim_that_the_api_refuses_for_another_reason_is_an_error(master):
    api = Api(node())
    seen = api.seen(NAME)

    def refuse(*_):
        raise ApiError("PATCH", 403, "")

    api.call = refuse
    with pytest.raises(ApiError):
        drain.claim(api, seen, "master1")


def test_the_command_line_says_it_in_the_same_words():
    from generator.operations import departed_nodes

    assert departed_nodes.LEAVING == drain.LABEL
