"""A machine of the control plane that boots: alone, without pods, and until it is back."""

import pytest
from agent import cordon, halts, kubectl, progress
from agent.host import NodeError
from agent.turns import DEBIAN, Stop, Waiting
from agent.turns.control_plane import AWAY
from machines import Machines
from node_api import Api, node

ALL = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")


class Cluster(Machines):
    """Machines whose nodes are in one API; each boots by itself."""

    def __init__(self, case, tmp_path, monkeypatch):
        super().__init__(case, tmp_path, monkeypatch)
        self.api, self.stuck = Api(*(node(name) for name in self.release["control_plane"])), False
        self._boot = tmp_path / "boot_id"
        monkeypatch.setattr(cordon, "BOOT", self._boot)
        monkeypatch.setattr(kubectl, "api", lambda: self.api)
        monkeypatch.setattr(kubectl, "run", self._drain)
        self.boot("boot-1")
        self.record(*ALL)

    def _drain(self, image, container, verb, name, *options):
        assert self.client.get(AWAY).startswith(f"{name} ")  # who is cut off here opens the node again
        self.api.nodes[name]["spec"]["unschedulable"] = True
        if self.stuck:
            raise NodeError("a disruption budget forbids it")

    def boot(self, boot):
        self._boot.write_text(f"{boot}\n")

    def settle(self, name):
        """A machine that has done all of the release says so, one component after the other."""
        for component in (*self.components(name), DEBIAN):
            self.turns(name).done(component, "new")

    def is_open(self, name):
        return "unschedulable" not in self.api.nodes[name]["spec"]

    def leave(self, name):
        own = self.turns(name)
        with pytest.raises(Waiting, match="its own boot"), own.take(stop()):
            own.away(stop())
            raise Waiting("its own boot")


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """Three masters with etcd."""
    return Cluster("ha", tmp_path, monkeypatch)


def stop(component=DEBIAN, serving=True):
    return Stop(component, "new", lambda: serving)


def refused(cluster, name, what=None, match="master1, which boots"):
    with pytest.raises(Waiting, match=match), cluster.turns(name).take(what or stop()):
        pytest.fail("two are stopped")


def given(cluster, name, what=None):
    with cluster.turns(name).take(what or stop()):
        return True


def test_packages_come_last_and_while_all_others_serve(cluster):
    cluster.record(*set(ALL) - {"kube-proxy"}, names=["master3"])
    refused(cluster, "master1", match="^master3, as other components")
    cluster.record(*ALL)
    cluster.down.add("master2")
    refused(cluster, "master1", match="^master2, as nothing is stopped")
    cluster.down.clear()
    cluster.etcd.down.add("etcd2")
    refused(cluster, "master1", match="^etcd2, as nothing is stopped")


@pytest.mark.parametrize("component", [DEBIAN, "etcd", "kubelet", "network"])
def test_nothing_else_is_stopped_while_a_machine_boots(cluster, component):
    cluster.leave("master1")
    assert not cluster.is_open("master1")
    refused(cluster, "master2", stop(component))
    assert given(cluster, "master2", stop(component, serving=False))  # it has nothing to lose
    cluster.boot("boot-2")
    cluster.settle("master1")
    assert cluster.client.get(AWAY) is None and cluster.is_open("master1")
    assert given(cluster, "master2", stop(component))


def test_a_machine_that_has_not_booted_yet_is_still_away(cluster):
    cluster.leave("master1")
    cluster.settle("master1")
    refused(cluster, "master2")


def test_a_machine_that_comes_back_to_a_newer_release_goes_on_with_that(cluster):
    """Others wait for it, and it for them: so it is back before it waits."""
    cluster.leave("master1")
    cluster.boot("boot-2")
    newer = "e" * 64
    with pytest.raises(Waiting, match="master2"), cluster.turns("master1", newer).take(stop("kube-apiserver")):
        pytest.fail("etcd comes first")
    assert cluster.client.get(AWAY) is None and cluster.is_open("master1")


def test_a_machine_that_the_release_no_longer_has_keeps_nobody_waiting(cluster):
    cluster.client.put(AWAY, "master9 boot-1")
    assert given(cluster, "master2")


def test_pods_that_do_not_move_keep_it_from_booting_and_halt_nothing(cluster):
    cluster.stuck, own = True, cluster.turns("master1")
    with pytest.raises(Waiting, match="a disruption budget"), own.take(stop()):
        own.away(stop())
    assert cluster.is_open("master1") and cluster.client.get(AWAY) is None and halts.read(cluster.client) == {}
    assert given(cluster, "master2")


def test_packages_that_fail_halt_all_machines(cluster):
    with pytest.raises(NodeError), cluster.turns("master1").take(stop()):
        raise NodeError("tool: exit 3: cannot read its configuration")
    told = "the rollout is halted: master1 could not update its packages: tool: exit 3: cannot read"
    for name in ("master1", "master2"):
        with pytest.raises(NodeError, match=told), cluster.turns(name).take(stop()):
            pytest.fail("it was tried again")


def test_a_machine_is_back_once_its_node_is_ready_in_this_boot(cluster):
    cluster.turns("master1").back()
    cluster.boot("boot-2")
    with pytest.raises(Waiting, match="its node"):
        cluster.turns("master1").back()


def test_while_the_api_does_not_answer_nobody_is_back(cluster, monkeypatch):
    def away(method, path, *rest):
        raise ConnectionRefusedError("Connection refused")

    monkeypatch.setattr(cluster.api, "call", away)
    with pytest.raises(Waiting, match=r"^the API: Connection refused$"):
        cluster.turns("master1").back()


def test_a_machine_without_a_node_has_none_to_empty(tmp_path, monkeypatch):
    apart = Cluster("star-wars", tmp_path, monkeypatch)
    apart.leave("etcd1")
    apart.boot("boot-2")
    apart.turns("etcd1").back()
    refused(apart, "master1", match="etcd1, which boots")
    apart.settle("etcd1")
    assert apart.client.get(AWAY) is None and apart.is_open("etcd1")
    assert progress.read(apart.client)["etcd1"].done >= {DEBIAN}


def test_without_etcd_it_does_not_boot(cluster):
    own = cluster.turns("master3")
    with pytest.raises(Waiting, match="a way to boot"), own.take(stop(serving=False)):
        cluster.etcd.down |= {"etcd1", "etcd2"}
        own.away(stop())
