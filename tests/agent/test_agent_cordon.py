"""Nodes without pods: when, how, and that they get their pods back."""

import pytest
from agent import cordon, kubectl
from agent.cordon import CORDONED
from agent.host import NodeError
from node_api import Api, node
from releases import release

NAME = "master1"
NEXT = {**release("ha"), "kubernetes": "v1.99.2"}


@pytest.fixture
def api(monkeypatch):
    """The API with a node; `drained` are the command lines of kubectl, which cordons, and `stuck` whether it fails."""
    found = Api(node(NAME))
    found.drained, found.stuck = [], False

    def run(image, container, *words):
        found.drained.append((image, *words))
        found.nodes[NAME]["spec"]["unschedulable"] = True  # as `kubectl drain` does first
        if found.stuck:
            raise NodeError("a disruption budget forbids it")
        return ""

    monkeypatch.setattr(kubectl, "run", run)
    monkeypatch.setattr(kubectl, "api", lambda: found)
    return found


def open_again(api):
    found = api.nodes[NAME]
    return "unschedulable" not in found["spec"] and CORDONED not in found["metadata"]["annotations"]


@pytest.mark.parametrize(
    ("kubelet", "wanted", "due"),
    [
        ("v1.35.4", "v1.35.4", False), ("v1.35.1", "v1.35.4", False), ("v1.35.4", "v1.36.0", True),
        ("v1.36.2", "v1.35.4", True), ("v1.3.5", "v1.35.4", True), ("v1.35.4-eks-1", "v1.35.9", False),
    ],
)  # fmt: skip
def test_pods_move_for_another_minor_version_alone(kubelet, wanted, due):
    assert cordon.is_due(node(NAME, version=kubelet), {"kubernetes": wanted}) is due


def test_a_node_is_emptied_with_the_patience_of_the_release(api):
    cordon.empty(api, NEXT, NAME)
    ((image, *words),) = api.drained
    assert image == NEXT["images"]["hyperkube"]["id"] and words[:2] == ["drain", NAME]
    assert {"--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=300s"} == set(words[2:])
    assert not open_again(api)
    cordon.reopen(api, NAME)
    assert open_again(api)


def test_a_node_whose_pods_do_not_move_is_opened_again(api):
    api.stuck = True
    with pytest.raises(NodeError, match="it is not drained: a disruption budget forbids it"):
        cordon.empty(api, NEXT, NAME)
    assert open_again(api)


def test_what_another_cordoned_is_not_opened(api):
    api.nodes[NAME]["spec"]["unschedulable"] = True
    cordon.reopen(api, NAME)
    assert api.nodes[NAME]["spec"] == {"unschedulable": True}


def test_a_node_that_a_person_cordoned_stays_so(api):
    api.nodes[NAME]["spec"]["unschedulable"] = True
    cordon.empty(api, NEXT, NAME)
    cordon.reopen(api, NAME)
    assert api.nodes[NAME]["spec"] == {"unschedulable": True}


def test_a_masters_node_is_empty_for_as_long_as_its_kubelet_is_replaced(api):
    with cordon.emptied(NEXT, NAME):
        assert api.drained and not open_again(api)
    assert open_again(api)


def test_a_patch_moves_no_pods(api):
    with cordon.emptied(release("ha"), NAME):
        assert open_again(api)
    assert api.drained == [] and api.calls == []


def test_a_master_whose_kubelet_was_put_back_is_opened_again(api):
    with pytest.raises(NodeError), cordon.emptied(NEXT, NAME):
        raise NodeError("the previous container is back")
    assert open_again(api)
