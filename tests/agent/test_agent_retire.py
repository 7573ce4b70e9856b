"""A machine of the control plane that the release no longer has."""

import copy

import pytest
from agent import drain, leave, membership, retire, service
from agent.host import NodeError
from agent.turns import Waiting
from free_turns import NoTurns
from machines import Machines


@pytest.fixture
def machine(tmp_path, monkeypatch, engine, turns):
    """master3, which runs everything; `smaller` is the release without it, `done` what happens, in order."""
    found = Machines("ha", tmp_path, monkeypatch)
    found.smaller, found.done, found.docker = copy.deepcopy(found.release), turns.said, engine
    del found.smaller["control_plane"]["master3"]
    found.smaller["etcd"]["members"].remove("etcd3")
    names = {"etcd": "etcd3"}
    for name in (*found.components("master3"), "weave"):
        name = names.get(name, name)
        engine.containers[name] = {"Id": name, "settings": {"Image": name}, "running": True, "files": b""}
    remove = engine.remove
    monkeypatch.setattr(
        engine, "remove", lambda name, *more: (turns.said.append(f"remove {name}"), remove(name, *more))
    )
    monkeypatch.setattr(drain, "drain", lambda image, name: turns.said.append(f"drain {name}"))
    monkeypatch.setattr(service, "remove", lambda name: turns.said.append(f"end {name}"))
    monkeypatch.setattr(leave, "prepare", lambda: turns.said.append("leave at power-off"))
    monkeypatch.setattr(retire, "CONVERGED", tmp_path / "converged.json")
    for name in ("FOLDER", "DATA", "START", "KNOWN"):
        monkeypatch.setattr(membership, name, tmp_path / getattr(membership, name).relative_to("/var/lib"))
    membership.DATA.mkdir(parents=True)
    for path in (retire.CONVERGED, membership.START, membership.KNOWN):
        path.write_text("{}")
    return found


def go(machine, turns, release=None):
    retire.retire(release or machine.smaller, machine.host("master3"), turns)


@pytest.mark.parametrize(
    ("name", "role", "due"),
    [("master1", "master", False), ("master3", "master", True), ("worker-a-1", "worker", False)],
)
def test_it_is_due_where_the_release_has_no_such_machine(machine, name, role, due):
    from agent.host import Host

    assert retire.due(machine.smaller, Host(name, role, role, "", "", 1500)) is due


def test_it_leaves_in_an_order_in_which_nothing_is_missed(machine, turns):
    go(machine, turns)
    order = [word for word in machine.done if not word.startswith("end ")]
    assert order == [
        "drain master3", "remove kube-controller-manager", "remove kube-scheduler", "remove kube-apiserver",
        "remove kubelet", "remove kube-proxy", "hold etcd", "remove etcd3",
        "leave at power-off", "done retired",
    ]  # fmt: skip
    assert {f"end anywhere-{name}.service" for name in ("rollout", "drain", "approver")} <= set(machine.done)
    assert machine.etcd.voting() == ["etcd1", "etcd2"]
    assert machine.docker.names() == {"weave"} and not retire.CONVERGED.exists()


def test_the_second_time_it_only_says_so_again(machine, turns):
    go(machine, turns)
    machine.done.clear()
    go(machine, turns)
    assert [word for word in machine.done if not word.startswith("end ")] == ["leave at power-off", "done retired"]


def test_it_stays_a_member_while_another_is_down_and_retires_later(machine, turns):
    machine.etcd.down.add("etcd2")
    with pytest.raises(NodeError, match="etcd3 stays a member while etcd2 is down"):
        go(machine, turns)
    assert "etcd3" in machine.docker.names() and "done retired" not in machine.done
    machine.etcd.down.clear()
    go(machine, turns)
    assert machine.docker.names() == {"weave"} and machine.done[-1] == "done retired"


def test_it_waits_for_its_turn_to_leave(machine):
    with pytest.raises(Waiting):
        go(machine, NoTurns())
    assert "etcd3" in machine.etcd.voting() and "etcd3" in machine.docker.names()


def test_one_whose_member_is_removed_already_goes_on(machine, turns):
    machine.etcd.members.pop()
    go(machine, turns)
    assert machine.docker.names() == {"weave"}


def test_a_machine_that_comes_back_begins_afresh(machine, turns):
    go(machine, turns)
    assert not membership.DATA.exists() and not membership.START.exists()
