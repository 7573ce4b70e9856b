"""The order of turns, and who takes them how."""

import pytest
from agent import turns
from agent.turns import before
from agent.turns.control_plane import ControlPlane
from agent.turns.worker import Worker
from machines import DIGEST, Machines
from releases import release

ETCD, API, CONTROL = {"etcd"}, {"kube-apiserver"}, {"kube-controller-manager", "kube-scheduler"}


@pytest.mark.parametrize(
    ("component", "earlier"),
    [
        ("network", set()), ("etcd", set()), ("kube-apiserver", ETCD),
        ("kube-controller-manager", ETCD | API), ("kube-scheduler", ETCD | API),
        ("kubelet", ETCD | API | CONTROL), ("kube-proxy", ETCD | API | CONTROL),
    ],
)  # fmt: skip
def test_what_comes_before_what(component, earlier):
    assert before(component) == earlier


def test_each_component_of_a_release_has_its_place_in_the_order(any_release):
    ordered = {name for group in turns.ORDER for name in group}
    made = {spec["component"] for role in any_release["roles"].values() for spec in role["containers"]}
    assert {*made, turns.DEBIAN} == ordered


def components(release):
    """Those of each role, in the order in which its machines change them."""
    return {name: [spec["component"] for spec in role["containers"]] for name, role in release["roles"].items()}


def test_each_role_has_its_components_in_the_order_of_turns(any_release):
    """In another order a machine would wait for others that wait for it: none would ever go on."""
    position = {name: number for number, group in enumerate(turns.ORDER) for name in group}
    wrong = {name: found for name, found in components(any_release).items() if found != sorted(found, key=position.get)}
    assert wrong == {}


def test_each_component_waits_only_for_those_that_its_machine_has_changed_already(any_release):
    for role, found in components(any_release).items():
        for number, component in enumerate(found):
            later = set(found[number:])
            assert before(component) & later == set(), f"{component} of {role}"


@pytest.mark.parametrize(("name", "kind"), [("master1", ControlPlane), ("etcd1", ControlPlane), ("worker", Worker)])
def test_workers_are_given_their_turns_and_others_take_them(tmp_path, monkeypatch, name, kind):
    from agent.host import Host

    machines = Machines("star-wars", tmp_path, monkeypatch)
    worker = Host("worker-general-1", "worker", "worker-general", "10.20.4.1", "10.0.2.100", 1500)
    me = worker if name == "worker" else machines.host(name)
    assert isinstance(turns.load(release("star-wars"), me, DIGEST), kind)


def test_an_identity_tells_descriptions_apart_whatever_their_order():
    assert turns.identity({"a": 1, "b": 2}, "x") == turns.identity({"b": 2, "a": 1}, "x")
    others = [turns.identity({"a": 1, "b": 2}, "y"), turns.identity({"a": 1, "b": 3}, "x"), turns.identity({"a": 1})]
    assert len({turns.identity({"a": 1, "b": 2}, "x"), *others}) == 4
