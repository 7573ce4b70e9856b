"""The turns of etcd machines and masters: who may stop what, and when; what a failure leaves behind."""

import threading

import pytest
import real_etcd
from agent import cordon, halts
from agent.host import NodeError
from agent.turns import Stop, Waiting, control_plane
from agent.turns.control_plane import LOCK, held
from machines import DIGEST, Machines

ALL = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")


@pytest.fixture
def machines(tmp_path, monkeypatch):
    """Three masters with etcd."""
    return Machines("ha", tmp_path, monkeypatch)


@pytest.fixture
def apart(tmp_path, monkeypatch):
    """Three etcd machines and a master."""
    return Machines("star-wars", tmp_path, monkeypatch)


def stop(component="etcd", identity="new", serving=True):
    return Stop(component, identity, lambda: serving)


def refused(machines, what, name="master1", match=None, error=Waiting):
    with pytest.raises(error, match=match), machines.turns(name).take(what):
        pytest.fail("it was stopped")
    assert machines.client.get(LOCK) in (None, "another")


def given(machines, what, name="master1"):
    with machines.turns(name).take(what):
        assert machines.client.get(LOCK) == name
    assert machines.client.get(LOCK) is None
    return True


def fail(machines, what, name="master1", error=None):
    with pytest.raises(NodeError, match="not well"), machines.turns(name).take(what):
        raise error or NodeError("not well; the previous container is back")


def test_the_turn_is_had_by_one_machine_and_ends_with_what_it_is_for(machines):
    with machines.turns("master1").take(stop()):
        assert machines.client.get(LOCK) == "master1"
        with pytest.raises(Waiting, match="master1, whose turn it is"), machines.turns("master2").take(stop()):
            pytest.fail("two had it")
        assert machines.client.get(LOCK) == "master1"
    assert machines.client.get(LOCK) is None
    assert given(machines, stop(), "master2")


def test_a_machine_whose_agent_was_killed_goes_on_at_once_and_before_others(machines):
    """Its component is half replaced. Its turn would last for a minute, and each further kill for one more."""
    killed = machines.client.claim(LOCK, "master1", 60)
    with pytest.raises(Waiting, match="master1, whose turn it is"), machines.turns("master2").take(stop()):
        pytest.fail("two had it")
    assert given(machines, stop())
    assert not machines.client.renew(killed)


def test_a_turn_is_waited_for_a_while(machines, monkeypatch):
    monkeypatch.setattr(control_plane, "ATTENTION_SECONDS", 60)
    client = machines.client
    lease = client.claim(LOCK, "another", 60)
    timer = threading.Timer(0.2, client.release, [lease])
    timer.start()
    assert given(machines, stop())
    timer.join()


def test_nothing_is_stopped_while_a_voting_member_is_down(machines):
    machines.etcd.down.add("etcd3")
    refused(machines, stop(), match="etcd3, as nothing is stopped while another is down")
    machines.etcd.down.clear()
    assert given(machines, stop())


def test_a_member_that_was_added_by_hand_and_does_not_run_is_missed_too(machines):
    machines.etcd.add("", "https://other:2380")
    refused(machines, stop(), match="a new member, as nothing is stopped")


def test_a_member_that_does_not_vote_is_not_missed(machines):
    machines.etcd.add("etcd4", learner=True)
    machines.etcd.down.add("etcd4")
    assert given(machines, stop())


def test_what_does_not_serve_has_nothing_to_lose(machines):
    """It may be the very member that another waits for."""
    machines.etcd.down.add("etcd1")
    assert given(machines, stop(serving=False))
    refused(machines, stop(), "master2", match="etcd1, as nothing")


def test_an_api_server_that_does_not_serve_waits_for_no_other(machines):
    """All of them may have been broken at once."""
    machines.record("etcd")
    machines.down.update(machines.release["control_plane"])
    assert given(machines, stop("kube-apiserver", serving=False))
    refused(machines, stop("kube-apiserver"), match="master2, master3, as nothing")


@pytest.mark.parametrize(("component", "missed"), [("kube-apiserver", True), ("network", True), ("kubelet", False)])
def test_an_api_server_is_missed_where_another_would_be_stopped(machines, monkeypatch, component, missed):
    monkeypatch.setattr(cordon, "emptied", lambda release, name: pytest.fail("it does not serve"))
    machines.record(*ALL)
    machines.down.add("master2")
    if missed:
        refused(machines, stop(component), match="master2, as nothing is stopped while another is down")
    else:
        assert given(machines, stop(component, serving=False))


def test_each_role_looks_at_its_own_kind(apart):
    apart.down.add("master1")
    assert given(apart, stop("network"), "etcd1")
    apart.record(*ALL)
    apart.etcd.down.add("etcd3")
    assert given(apart, stop("network"), "master1")
    refused(apart, stop("network"), "etcd1", match="etcd3")


@pytest.mark.parametrize(
    ("component", "before"),
    [
        ("kube-apiserver", ["etcd"]),
        ("kube-scheduler", ["etcd", "kube-apiserver"]),
        ("kube-proxy", ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"]),
    ],
)
def test_a_component_comes_after_the_earlier_ones_of_all_machines(machines, component, before):
    for missing in before:
        machines.record(*before)
        machines.record(*set(before) - {missing}, names=["master2"])
        refused(machines, stop(component), match="^master2, as other components of the release come first")
    machines.record(*before)
    assert given(machines, stop(component))


def test_what_runs_of_another_release_does_not_count(machines):
    machines.record("etcd")
    machines.record("etcd", names=["master3"], digest="e" * 64)
    refused(machines, stop("kube-apiserver"), match="^master3, as other")


def test_a_machine_that_never_said_anything_is_waited_for(machines):
    machines.record("etcd", names=["master1", "master2"])
    refused(machines, stop("kube-apiserver", serving=False), match="^master3, as other")


def test_only_components_that_a_machine_has_are_waited_for(apart):
    apart.record("etcd", names=["etcd1", "etcd2", "etcd3"])
    assert given(apart, stop("kube-apiserver"), "master1")


def test_done_is_recorded_and_lets_the_next_component_go_on(machines, tmp_path, monkeypatch):
    from agent import progress

    for number in (1, 2, 3):
        refused(machines, stop("kube-apiserver"), match=f"master{number}")
        monkeypatch.setattr(progress, "WRITTEN", tmp_path / f"progress-{number}")
        machines.turns(f"master{number}").done("etcd", "new")
    assert given(machines, stop("kube-apiserver"))


# Halts


@pytest.mark.parametrize("component", ["etcd", "network"])
def test_what_was_put_back_on_one_machine_is_tried_by_none(machines, component):
    fail(machines, stop(component))
    assert halts.read(machines.client)[component] == halts.Halt(
        component, "new", DIGEST, "master1", "not well; the previous container is back"
    )
    for name in machines.release["control_plane"]:
        told = f"the rollout is halted: master1 put {component} back: not well"
        refused(machines, stop(component), name, match=told, error=NodeError)
        refused(machines, stop(component, serving=False), name, match=told, error=NodeError)
    assert given(machines, stop(component, "another"), "master2")


def test_who_waits_for_a_machine_that_is_halted_names_the_halt(machines):
    machines.record("etcd")
    fail(machines, stop("kube-apiserver"), "master2")
    told = "^an end of the halt: master2 put kube-apiserver back"
    refused(machines, stop("kube-controller-manager"), "master1", match=told)


def test_a_halt_is_recorded_once_the_component_is_back_and_before_another_has_its_turn(machines):
    with pytest.raises(NodeError), machines.turns("master1").take(stop()):
        assert halts.read(machines.client) == {}
        machines.noted = lambda member, path: seen.append(path)
        seen = []
        raise NodeError("not well")
    assert seen.index("/v3/kv/put") < seen.index("/v3/lease/revoke")


def test_a_halt_ends_once_another_description_works(machines):
    fail(machines, stop())
    machines.turns("master2").done("kubelet", "another")
    machines.turns("master2").done("etcd", "new")
    refused(machines, stop(), "master2", error=NodeError)
    machines.turns("master2").done("etcd", "another")
    assert halts.read(machines.client) == {} and given(machines, stop(), "master2")


@pytest.mark.parametrize("error", [Waiting("others"), KeyboardInterrupt(), OSError("no space")])
def test_only_what_was_put_back_halts(machines, error):
    with pytest.raises(type(error)), machines.turns("master1").take(stop()):
        raise error
    assert halts.read(machines.client) == {} and machines.client.get(LOCK) is None


def test_etcd_that_was_put_back_takes_a_moment_and_then_the_halt_is_recorded(machines, monkeypatch):
    monkeypatch.setattr(control_plane, "RECORD_SECONDS", 60)
    with pytest.raises(NodeError), machines.turns("master1").take(stop()):
        machines.etcd.down |= {"etcd1", "etcd2"}
        tries = []

        def comes_back(member, path):
            tries.append(path)
            if len(tries) > 9:
                machines.etcd.down.clear()

        machines.noted = comes_back
        raise NodeError("not well")
    assert list(halts.read(machines.client)) == ["etcd"]


def test_a_halt_that_cannot_be_recorded_holds_on_this_machine(machines, capsys):
    with pytest.raises(NodeError, match="not well"), machines.turns("master1").take(stop()):
        machines.etcd.down |= {"etcd1", "etcd2"}
        raise NodeError("not well")
    assert "only this machine knows of the halt" in capsys.readouterr().out
    refused_alone = pytest.raises(NodeError, match="etcd: this version was not healthy; next attempt in 30 minutes")
    with refused_alone, machines.turns("master1").take(stop(serving=False)):
        pytest.fail("it was stopped again")


# Where etcd does not answer


def test_without_etcd_nothing_that_serves_is_stopped(machines):
    machines.etcd.down |= {"etcd1", "etcd2"}
    with pytest.raises(Waiting, match="etcd, without which nothing is stopped"), machines.turns("master3").take(stop()):
        pytest.fail("it was stopped")


@pytest.mark.parametrize("component", ALL)
def test_without_etcd_what_does_not_serve_is_replaced(machines, component):
    """It may be why etcd does not answer."""
    machines.etcd.down |= {"etcd1", "etcd2"}
    done = []
    with machines.turns("master3").take(stop(component, serving=False)):
        done.append(component)
    assert done == [component]


def test_done_is_no_failure_without_etcd(machines, capsys):
    machines.etcd.down |= {"etcd1", "etcd2"}
    machines.turns("master3").done("etcd", "new")
    assert "not recorded yet" in capsys.readouterr().out
    machines.etcd.down.clear()
    machines.turns("master3").done("etcd", "new")
    machines.record("etcd", names=["master1", "master2"])
    assert given(machines, stop("kube-apiserver"))


# What hangs is started again


def test_what_hangs_is_started_again_by_one_machine_at_a_time(machines):
    with machines.turns("master1").hold(stop("kubelet")):
        assert machines.client.get(LOCK) == "master1"
        with pytest.raises(Waiting, match="master1, whose turn"), machines.turns("master2").hold(stop("etcd")):
            pytest.fail("two at once")
    assert machines.client.get(LOCK) is None


def test_what_hangs_again_halts_nothing(machines):
    with pytest.raises(NodeError), machines.turns("master1").hold(stop()):
        raise NodeError("still not well")
    assert halts.read(machines.client) == {} and machines.client.get(LOCK) is None


@pytest.mark.parametrize(("component", "may"), [("etcd", True), ("network", True), ("kube-apiserver", False)])
def test_without_etcd_only_etcd_and_what_it_needs_are_started_again(machines, component, may):
    machines.etcd.down |= {"etcd1", "etcd2"}
    if may:
        with machines.turns("master1").hold(stop(component)):
            return
    with pytest.raises(Waiting, match=r"^etcd: "), machines.turns("master1").hold(stop(component)):
        pytest.fail("it hangs because etcd does")


# The lock itself


def test_a_turn_is_kept_for_as_long_as_it_takes(machines, monkeypatch):
    monkeypatch.setattr(control_plane, "RENEW_SECONDS", 0.05)
    renewed, client = [], machines.client
    machines.noted = lambda member, path: path == "/v3/lease/keepalive" and renewed.append(member)
    with held(client, client.claim(LOCK, "master1", 1)):
        real_etcd.wait(lambda: len(renewed) > 30, "the lease is renewed")
        assert client.get(LOCK) == "master1"
    assert client.get(LOCK) is None


def test_a_turn_survives_a_moment_without_etcd_and_leaves_its_lease_to_time_where_it_must(machines, monkeypatch):
    monkeypatch.setattr(control_plane, "RENEW_SECONDS", 0.01)
    client, tries = machines.client, []
    with held(client, client.claim(LOCK, "master1", 60)):
        machines.etcd.down |= {"etcd1", "etcd2"}
        machines.noted = lambda member, path: tries.append(path)
        real_etcd.wait(lambda: len(tries) > 9, "some failures")
    machines.etcd.down.clear()
    assert client.get(LOCK) == "master1"
    later = machines.etcd.clock() + 61
    machines.etcd.clock = lambda: later
    assert client.get(LOCK) is None


def test_the_lock_is_let_go_where_the_look_at_the_others_fails(machines):
    def breaks_at_the_list(member, path):
        if path.endswith("member/list"):
            raise ConnectionResetError(104, "Connection reset by peer")

    machines.noted = breaks_at_the_list
    with pytest.raises(Waiting, match="etcd, without which"), machines.turns("master1").take(stop()):
        pytest.fail("it was stopped")
    assert machines.client.get(LOCK) is None


# Pods


def test_a_kubelets_pods_are_elsewhere_before_it_is_stopped(machines, monkeypatch):
    from contextlib import contextmanager

    done = []

    @contextmanager
    def emptied(release, name):
        assert machines.client.get(LOCK) == "master1"
        done.append(f"empty {name}")
        yield
        done.append("open")

    monkeypatch.setattr(cordon, "emptied", emptied)
    machines.record(*ALL)
    with machines.turns("master1").take(stop("kubelet")):
        done.append("stop")
    assert done == ["empty master1", "stop", "open"]
    for other in (stop("kubelet", serving=False), stop("kube-proxy")):
        with machines.turns("master1").take(other):
            pass
    assert len(done) == 3


def test_pods_that_do_not_move_halt_nothing(machines, monkeypatch):
    def fail(release, name):
        raise NodeError("a disruption budget forbids it")

    monkeypatch.setattr(cordon, "emptied", fail)
    machines.record(*ALL)
    refused(machines, stop("kubelet"), match="a disruption budget", error=NodeError)
    assert halts.read(machines.client) == {}
