"""Real members of etcd that come and go as the agents of their machines have it: 1, 3, 2, 1."""

import copy
from types import SimpleNamespace

import pytest
import real_etcd
from agent import bundle, etcd, halts, membership, progress, store
from agent.etcd import Silent
from agent.host import Host, NodeError
from agent.turns import Waiting
from agent.turns.control_plane import ControlPlane
from releases import release


class Machine:
    """A machine with a disk of its own, on which the agent runs as long as it is `here`."""

    def __init__(self, name, clusters, tmp_path, monkeypatch):
        self.me = Host(name, "etcd", "etcd", "", "", 1500)
        self.etcd, self._folder, self._patch = clusters, tmp_path / name, monkeypatch

    def here(self):
        self._patch.setattr(membership, "FOLDER", self._folder)
        self._patch.setattr(membership, "DATA", self._folder / "data" / "member")
        self._patch.setattr(membership, "START", self._folder / "start.json")
        self._patch.setattr(membership, "KNOWN", self._folder / "founded")
        self._patch.setattr(progress, "WRITTEN", self._folder / "run" / "progress.json")
        self._patch.setattr(halts, "RUN", self._folder / "run")

    def converge(self, release):
        """What converge does about etcd, where its container is as it should be: again until it is done."""
        self.here()
        turns = ControlPlane(release, self.me, "d" * 64)
        real_etcd.wait(lambda: self._converged(release, turns), f"{self.me.name} converges", 90)

    def _converged(self, release, turns):
        try:
            values = membership.prepare(release, self.me, turns)
            if self.me.name not in self.etcd.running:
                self.etcd.start(self.me.name, values["INITIAL_CLUSTER"], values["CLUSTER_STATE"])
            self.etcd.wait(self.me.name, path="/livez")
            turns.done("etcd", "identity")
            membership.settle(release, self.me, turns)
        except Waiting:  # never a failure, and never a call for a snapshot
            return False
        return values

    def leave(self, release):
        self.here()
        turns = ControlPlane(release, self.me, "d" * 64)

        def left():
            try:
                membership.leave(release, self.me, turns)
            except (Waiting, NodeError):
                return False
            return True

        real_etcd.wait(left, f"{self.me.name} leaves")


@pytest.fixture
def machines(tmp_path, monkeypatch, engine):
    (tmp_path / "program").mkdir()
    cluster = real_etcd.Cluster(real_etcd.program(tmp_path / "program"), tmp_path)
    files = dict(zip(("ca.crt", "client.crt", "client.key"), (cluster.authority.ca, *cluster.client), strict=True))
    stored = {}
    monkeypatch.setattr(etcd, "FILES", tmp_path / "client")
    monkeypatch.setattr(bundle, "secrets", lambda release, component: files)
    monkeypatch.setattr(etcd, "host_of", cluster.host)
    monkeypatch.setattr(store, "put_once", lambda key, data: stored.setdefault(key, data))
    monkeypatch.setattr(store, "names", lambda prefix: sorted(stored))
    found = {n: Machine(f"etcd{n}", cluster, tmp_path, monkeypatch) for n in (1, 2, 3)}
    try:
        yield SimpleNamespace(etcd=cluster, stored=stored, **{f"m{n}": machine for n, machine in found.items()})
    finally:
        cluster.close()


def wanted(*members, initial=("etcd1",)):
    found = copy.deepcopy(release("star-wars"))
    found["etcd"] = {"members": list(members), "initial": list(initial)}
    found["control_plane"] = {name: {"role": "etcd", "address": ""} for name in members}
    return found


def client(*members):
    return etcd.connect(wanted(*members), "etcd")


def voting(*members):
    return sorted(member.name for member in client(*members).members() if not member.learner)


def test_from_one_to_three_and_back_to_one_with_all_that_was_written(machines):
    one, three = wanted("etcd1"), wanted("etcd1", "etcd2", "etcd3")
    machines.m1.converge(one)
    assert list(machines.stored) == ["etcd/cluster"]
    client("etcd1").put("/kept", "by all")
    cluster = client("etcd1").cluster()

    for machine in (machines.m1, machines.m2, machines.m3, machines.m1):
        machine.converge(three)
    machines.etcd.wait("etcd1", "etcd2", "etcd3")
    assert voting("etcd1") == ["etcd1", "etcd2", "etcd3"]
    for member in ("etcd1", "etcd2", "etcd3"):
        assert client(member).get("/kept") == "by all" and client(member).cluster() == cluster
    assert set(progress.read(client("etcd1"))) == {"etcd1", "etcd2", "etcd3"}

    machines.m3.leave(wanted("etcd1", "etcd2"))
    machines.m2.leave(one)
    real_etcd.wait(lambda: machines.etcd.ended("etcd2") and machines.etcd.ended("etcd3"), "both end")
    machines.m1.converge(one)
    assert voting("etcd1") == ["etcd1"] and client("etcd1").get("/kept") == "by all"
    assert client("etcd1").cluster() == cluster


def test_a_machine_whose_disk_is_lost_comes_back(machines):
    three = wanted("etcd1", "etcd2", "etcd3", initial=("etcd1", "etcd2", "etcd3"))
    described = membership._start("new", three["etcd"]["initial"])["INITIAL_CLUSTER"]
    for member in ("etcd1", "etcd2", "etcd3"):
        machines.etcd.start(member, described)
    machines.etcd.wait("etcd1", "etcd2", "etcd3")
    machines.m1.converge(three)
    assert list(machines.stored) == ["etcd/cluster"]
    client("etcd1").put("/kept", "by all")
    machines.etcd.wipe("etcd2")
    machines.m2.converge(three)
    machines.etcd.wait("etcd1", "etcd2", "etcd3")
    assert client("etcd2").get("/kept") == "by all" and voting("etcd1") == ["etcd1", "etcd2", "etcd3"]


def test_a_sole_machine_whose_disk_is_lost_asks_for_a_snapshot(machines):
    one = wanted("etcd1")
    machines.m1.converge(one)
    machines.etcd.wipe("etcd1")
    with pytest.raises(NodeError, match="restore a snapshot"):
        membership.prepare(one, machines.m1.me, ControlPlane(one, machines.m1.me, "d" * 64))
    with pytest.raises(Silent):
        client("etcd1").get("/kept")


def test_three_machines_found_a_cluster_together(machines):
    """The first is alone for a while, and no majority."""
    three = wanted("etcd1", "etcd2", "etcd3", initial=("etcd1", "etcd2", "etcd3"))
    for machine in (machines.m1, machines.m2, machines.m3):
        machine.converge(three)
    machines.etcd.wait("etcd1", "etcd2", "etcd3")
    machines.m1.converge(three)
    assert voting("etcd1") == ["etcd1", "etcd2", "etcd3"] and list(machines.stored) == ["etcd/cluster"]
