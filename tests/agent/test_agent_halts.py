"""Halts, in etcd and on a machine that cannot reach it."""

import time

import pytest
from agent import halts
from agent.halts import Halt
from agent.host import NodeError
from etcd_gateway import Client, Cluster

HALT = Halt("kubelet", "new", "d" * 64, "master1", 'it said "no" | ü')


@pytest.fixture
def client():
    return Client(Cluster("etcd1"), "etcd1")


@pytest.fixture
def alone(tmp_path, monkeypatch):
    monkeypatch.setattr(halts, "RUN", tmp_path / "run")


def test_a_halt_is_read_as_it_was_recorded_and_refuses_that_description_alone(client):
    halts.record(client, HALT)
    assert halts.read(client) == {"kubelet": HALT}
    with pytest.raises(NodeError, match=r'the rollout is halted: master1 put kubelet back: it said "no" \| ü'):
        halts.refuse(client, "kubelet", "new")
    halts.refuse(client, "kubelet", "another")
    halts.refuse(client, "kube-proxy", "new")


@pytest.mark.parametrize(("component", "identity", "stays"), [
    ("kubelet", "new", True), ("kubelet", "another", False), ("kube-proxy", "another", True)
])  # fmt: skip
def test_a_halt_ends_where_another_description_of_that_component_works(client, component, identity, stays):
    halts.record(client, HALT)
    halts.clear(client, component, identity)
    assert ("kubelet" in halts.read(client)) is stays


def test_a_person_ends_a_halt(client):
    halts.record(client, HALT)
    halts.forget(client, "kubelet")
    halts.forget(client, "kubelet")
    assert halts.read(client) == {}


def test_a_record_of_a_later_version_is_read_too(client):
    """The masters are not all of one version while they are upgraded."""
    client.put("/anywhere/halted/kubelet", '{"component": "kubelet", "identity": "new", "more": 1}')
    assert halts.read(client)["kubelet"] == Halt("kubelet", "new", "", "", "")


def test_a_machine_alone_leaves_what_it_put_back_for_a_while(alone, monkeypatch):
    halts.refuse_alone("kubelet", "new")
    halts.record_alone("kubelet", "new")
    with pytest.raises(NodeError, match="kubelet: this version was not healthy; next attempt in 30 minutes"):
        halts.refuse_alone("kubelet", "new")
    halts.refuse_alone("kubelet", "another")
    halts.refuse_alone("kube-proxy", "new")
    later = time.monotonic() + halts.REFUSED_SECONDS + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    halts.refuse_alone("kubelet", "new")


@pytest.mark.parametrize("days", [-30, 30])
def test_a_clock_that_is_changed_neither_shortens_nor_lengthens_that(alone, monkeypatch, days):
    halts.record_alone("kubelet", "new")
    clock = time.time() + days * 86400
    monkeypatch.setattr(time, "time", lambda: clock)
    with pytest.raises(NodeError, match="next attempt in 30 minutes"):
        halts.refuse_alone("kubelet", "new")
