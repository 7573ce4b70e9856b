"""Membership of etcd: who founds, who joins, who goes on, and who is removed."""

import copy
import json
import time

import pytest
from agent import etcd, host, membership, store
from agent.etcd import peer_url
from agent.host import NodeError
from agent.turns import Waiting
from free_turns import FreeTurns, NoTurns
from machines import Machines

FOUNDERS = ",".join(f"etcd{n}=https://etcd{n}.weave.local:2380" for n in (1, 2, 3))
NEW = {"INITIAL_CLUSTER": FOUNDERS, "CLUSTER_STATE": "new"}


@pytest.fixture
def machines(tmp_path, monkeypatch, engine):
    """Three masters with etcd, on whose disks is nothing; `stored` is what is kept outside of them."""
    found = Machines("ha", tmp_path, monkeypatch)
    found.stored = {}

    def put_once(key, data):
        return found.stored.setdefault(key, data)

    monkeypatch.setattr(store, "put_once", put_once)
    monkeypatch.setattr(store, "names", lambda prefix: sorted(key for key in found.stored if key.startswith(prefix)))
    monkeypatch.setattr(membership, "FOLDER", tmp_path / "etcd")
    monkeypatch.setattr(membership, "DATA", tmp_path / "etcd" / "data" / "member")
    monkeypatch.setattr(membership, "START", tmp_path / "etcd" / "start.json")
    monkeypatch.setattr(membership, "KNOWN", tmp_path / "etcd" / "founded")
    monkeypatch.setattr(membership, "RUN", tmp_path / "run")
    monkeypatch.setattr(membership, "PROMOTE_SECONDS", -1)
    monkeypatch.setattr(host.time, "sleep", lambda seconds: None)
    return found


def with_members(machines, *members):
    found = copy.deepcopy(machines.release)
    found["etcd"]["members"] = list(members)
    return found


def prepare(machines, name="master3", release=None, own=None):
    return membership.prepare(release or machines.release, machines.host(name), own or FreeTurns())


def settle(machines, name="master1", release=None, own=None):
    membership.settle(release or machines.release, machines.host(name), own or FreeTurns())


def founded(machines):
    machines.stored["etcd/cluster"] = b"7619062553881380903"


def has_data():
    membership.DATA.mkdir(parents=True)


# The beginning


def test_a_founder_with_an_empty_disk_founds_while_the_founding_is_not_recorded(machines):
    assert prepare(machines) == NEW
    assert json.loads(membership.START.read_text()) == NEW
    assert machines.etcd.asked == []


def test_a_founder_that_did_not_come_up_founds_again(machines):
    prepare(machines)
    assert prepare(machines) == NEW


def test_the_founding_is_recorded_once_all_founders_serve(machines):
    machines.etcd.down.add("etcd3")
    settle(machines)
    assert machines.stored == {} and not membership.KNOWN.exists()
    machines.etcd.down.clear()
    settle(machines)
    assert machines.stored == {"etcd/cluster": b"7619062553881380903"} and membership.KNOWN.exists()


def test_what_another_recorded_stays(machines):
    machines.stored["etcd/cluster"] = b"the first"
    settle(machines)
    assert machines.stored == {"etcd/cluster": b"the first"} and membership.KNOWN.exists()


def test_what_is_known_is_asked_of_the_store_no_more(machines, monkeypatch):
    settle(machines)
    monkeypatch.setattr(store, "put_once", lambda *_: pytest.fail("clouds charge for each request"))
    settle(machines)


def test_a_store_that_does_not_answer_founds_nothing(machines, monkeypatch):
    def away(prefix):
        raise NodeError("the store does not answer")

    monkeypatch.setattr(store, "names", away)
    with pytest.raises(NodeError, match="the store does not answer"):
        prepare(machines)
    assert not membership.START.exists()


# Joining


def test_a_new_machine_joins_as_a_learner_in_its_turn(machines):
    founded(machines)
    machines.etcd.members.pop()
    own = FreeTurns()
    machines.noted = lambda member, path: own.said.append(path) if "/member/" in path else None
    assert prepare(machines, own=own) == {"INITIAL_CLUSTER": FOUNDERS, "CLUSTER_STATE": "existing"}
    (learner,) = (member for member in machines.etcd.members if member["isLearner"])
    assert (learner["name"], learner["peerURLs"]) == ("", [peer_url("etcd3")])
    assert own.said.index("hold etcd") < own.said.index("/v3/cluster/member/add")


def test_one_that_is_no_founder_joins_also_before_the_founding_is_recorded(machines):
    machines.etcd.members.pop()
    release = copy.deepcopy(machines.release)
    release["etcd"]["initial"] = ["etcd1", "etcd2"]
    assert prepare(machines, release=release)["CLUSTER_STATE"] == "existing"


def test_one_whose_disk_is_lost_is_removed_before_it_joins_anew(machines, engine, capsys):
    """Its container goes too: what takes the place of one has to serve, and a learner serves nobody."""
    founded(machines)
    for name in ("etcd3", "etcd3-previous"):
        engine.containers[name] = {"Id": name, "settings": {"Image": "etcd"}, "running": False, "files": b""}
    before = next(member["ID"] for member in machines.etcd.members if member["name"] == "etcd3")
    machines.etcd.down.add("etcd3")
    assert prepare(machines)["CLUSTER_STATE"] == "existing"
    assert before not in [member["ID"] for member in machines.etcd.members]
    assert [member["isLearner"] for member in machines.etcd.members] == [False, False, True]
    assert engine.names() == set()
    assert "etcd3: its data is gone, so it becomes a member anew" in capsys.readouterr().out


def test_one_that_was_added_and_never_started_is_added_anew(machines):
    """Power was lost between the two: there is a start, and no data."""
    founded(machines)
    machines.etcd.members.pop()
    first = prepare(machines)
    assert prepare(machines) == first
    assert len(machines.etcd.members) == 3


def test_nobody_joins_before_its_turn(machines):
    founded(machines)
    with pytest.raises(Waiting):
        prepare(machines, own=NoTurns())
    assert len(machines.etcd.voting()) == 3 and not membership.START.exists()


@pytest.mark.parametrize("down", [{"etcd1", "etcd2", "etcd3"}])
def test_an_empty_disk_and_nobody_that_answers_asks_for_a_snapshot(machines, down):
    founded(machines)
    machines.etcd.down |= down
    with pytest.raises(
        NodeError, match=r"etcd's data is not on its disk.*restore a snapshot with `anywhere etcd restore`"
    ):
        prepare(machines)
    assert not membership.START.exists()


def test_a_sole_member_whose_disk_vanished_asks_for_a_snapshot_and_does_not_begin_anew(machines):
    founded(machines)
    machines.etcd.members[:] = machines.etcd.members[:1]
    machines.etcd.down.add("etcd1")
    with pytest.raises(NodeError, match="restore a snapshot"):
        prepare(machines, "master1", with_members(machines, "etcd1"))


def test_one_that_joins_while_there_is_no_majority_waits_for_one(machines):
    """Its disk is lost, and another machine starts again: that is over soon, and no snapshot is restored for it."""
    founded(machines)
    machines.etcd.down |= {"etcd2", "etcd3"}
    with pytest.raises(Waiting, match="etcd, which has no majority"):
        prepare(machines)
    assert len(machines.etcd.members) == 3 and not membership.START.exists()


@pytest.mark.parametrize("what", ["unhealthy", "learner"])
def test_one_that_joins_while_another_does_waits_for_it(machines, what):
    founded(machines)
    machines.etcd.members.pop()
    if what == "unhealthy":
        machines.etcd.busy = 99  # etcd refuses changes for some seconds after each
    else:
        machines.etcd.add("", "https://etcd4.weave.local:2380", learner=True)
    with pytest.raises((Waiting, NodeError)) as caught:
        prepare(machines)
    assert isinstance(caught.value, Waiting) and "restore" not in str(caught.value)


# For ever


def test_one_with_data_goes_on_as_it_began_whatever_becomes_of_the_others(machines):
    """The flags are part of its container, which would else be replaced with each member that comes or goes."""
    first = prepare(machines)
    has_data()
    founded(machines)
    machines.etcd.add("etcd4")
    bigger = with_members(machines, "etcd1", "etcd2", "etcd3", "etcd4", "etcd5")
    bigger["etcd"]["initial"] = ["etcd1"]
    machines.etcd.down |= {"etcd1", "etcd2", "etcd3"}
    assert prepare(machines, release=bigger) == first


def test_one_of_an_earlier_release_goes_on_as_those_began(machines):
    has_data()
    founded(machines)
    assert prepare(machines) == NEW


# Once it runs


def joined(machines):
    machines.etcd.add("", peer_url("etcd4"), learner=True)
    machines.etcd.start("etcd4")
    machines.release["control_plane"]["master4"] = {"role": "master", "address": "10.20.1.100"}
    return with_members(machines, "etcd1", "etcd2", "etcd3", "etcd4")


def test_a_learner_votes_once_it_has_caught_up(machines, monkeypatch):
    release = joined(machines)
    machines.etcd.behind.add("etcd4")
    with pytest.raises(NodeError, match="etcd4, to catch up was not ready"):
        settle(machines, "master4", release)
    assert "etcd4" not in machines.etcd.voting()
    monkeypatch.setattr(membership, "PROMOTE_SECONDS", 60)
    tries = []

    def catches_up(member, path):
        tries.append(path)
        if tries.count("/v3/cluster/member/promote") > 4:
            machines.etcd.behind.clear()

    machines.noted = catches_up
    settle(machines, "master4", release)
    assert "etcd4" in machines.etcd.voting()


def test_one_that_votes_is_not_promoted_again(machines):
    settle(machines)
    assert not [path for _, path in machines.etcd.asked if path.endswith("promote")]


def passes(monkeypatch, seconds):
    later = time.monotonic() + seconds
    monkeypatch.setattr(time, "monotonic", lambda: later)


def test_the_member_of_a_machine_that_is_gone_for_a_while_is_removed_in_a_turn(machines, monkeypatch, capsys):
    machines.etcd.down.add("etcd3")
    own, smaller = FreeTurns(), with_members(machines, "etcd1", "etcd2")
    settle(machines, release=smaller, own=own)
    passes(monkeypatch, 299)
    settle(machines, release=smaller, own=own)
    assert len(machines.etcd.voting()) == 3 and own.said == []
    passes(monkeypatch, 2)
    settle(machines, release=smaller, own=own)
    assert machines.etcd.voting() == ["etcd1", "etcd2"] and own.said == ["hold etcd"]
    assert "etcd3: removed, as its machine is gone" in capsys.readouterr().out


def test_a_member_that_came_back_meanwhile_is_waited_for_anew(machines, monkeypatch):
    smaller = with_members(machines, "etcd1", "etcd2")
    for _ in range(3):
        machines.etcd.down.add("etcd3")
        settle(machines, release=smaller)
        machines.etcd.down.clear()
        settle(machines, release=smaller)
        passes(monkeypatch, 301)
    assert len(machines.etcd.voting()) == 3


def test_nobody_is_removed_before_its_turn(machines, monkeypatch):
    machines.etcd.down.add("etcd3")
    smaller = with_members(machines, "etcd1", "etcd2")
    settle(machines, release=smaller)
    passes(monkeypatch, 301)
    with pytest.raises(Waiting):
        settle(machines, release=smaller, own=NoTurns())
    assert len(machines.etcd.voting()) == 3


def test_one_that_was_added_and_never_came_is_removed(machines, monkeypatch):
    """Until then nobody else could join."""
    machines.etcd.add("", peer_url("etcd4"), learner=True)
    settle(machines)
    passes(monkeypatch, 301)
    settle(machines)
    assert [member["name"] for member in machines.etcd.members] == ["etcd1", "etcd2", "etcd3"]


def remove_while_away(machines, engine):
    founded(machines)
    prepare(machines)
    has_data()
    engine.containers["etcd3"] = {"Id": "e", "settings": {"Image": "etcd"}, "running": True, "files": b""}
    machines.etcd.members.pop()


def test_one_that_was_removed_while_it_was_away_joins_anew(machines, engine, capsys):
    """It would never start again on its data."""
    remove_while_away(machines, engine)
    assert prepare(machines)["CLUSTER_STATE"] == "existing"
    assert not membership.DATA.exists() and engine.names() == set()
    assert "it is no member any more, so its data is of no use" in capsys.readouterr().out
    assert [member["isLearner"] for member in machines.etcd.members] == [False, False, True]


def test_no_container_runs_on_data_that_is_deleted(machines, engine, monkeypatch):
    remove_while_away(machines, engine)
    forget, there = membership.forget, []
    monkeypatch.setattr(membership, "forget", lambda: (there.append(engine.names()), forget()))
    prepare(machines)
    assert there == [set()]


@pytest.mark.parametrize("down", [{"etcd1", "etcd2", "etcd3"}, {"etcd2", "etcd3"}])
def test_nobody_throws_its_data_away_where_no_majority_says_that_it_is_no_member(machines, down):
    first = prepare(machines)
    has_data()
    machines.etcd.down |= down
    machines.etcd.members.pop()
    assert prepare(machines) == first and membership.DATA.exists()


def test_a_member_is_renewed_at_once_only_where_its_certificate_has_expired(machines, monkeypatch):
    asked = []
    monkeypatch.setattr(etcd.Etcd, "has_expired", lambda self, host: asked.append(host) or len(asked) == 2)
    found = [membership.has_expired(machines.release, machines.host("master3")) for _ in range(2)]
    assert found == [False, True] and asked == ["etcd3.weave.local"] * 2


def test_a_member_that_lives_is_left_to_its_own_machine(machines):
    settle(machines, release=with_members(machines, "etcd1", "etcd2"))
    assert machines.etcd.voting() == ["etcd1", "etcd2", "etcd3"]


def test_a_member_that_the_release_has_is_never_removed(machines):
    machines.etcd.down.add("etcd3")
    settle(machines)
    assert machines.etcd.voting() == ["etcd1", "etcd2", "etcd3"]


def test_a_new_member_is_left_alone_by_a_machine_with_the_release_before(machines):
    joined(machines)
    settle(machines, "master1", with_members(machines, "etcd1", "etcd2", "etcd3"))
    assert [member["name"] for member in machines.etcd.members if member["isLearner"]] == ["etcd4"]


def test_the_first_of_several_founders_waits_for_nobody(machines):
    """A member alone has no majority yet, and the others need it to come up."""
    machines.etcd.down |= {"etcd2", "etcd3"}
    settle(machines)
    assert machines.stored == {}


# The end


def test_one_that_leaves_is_removed_in_its_turn_while_the_others_serve(machines):
    own = FreeTurns()
    membership.leave(with_members(machines, "etcd1", "etcd2"), machines.host("master3"), own)
    assert machines.etcd.voting() == ["etcd1", "etcd2"] and own.said == ["hold etcd"]
    membership.leave(with_members(machines, "etcd1", "etcd2"), machines.host("master3"), own)
    assert machines.etcd.voting() == ["etcd1", "etcd2"]


@pytest.mark.parametrize("down", ["etcd1", "etcd2"])
def test_one_does_not_leave_the_others_without_a_majority(machines, down):
    machines.etcd.down.add(down)
    with pytest.raises(NodeError, match=f"etcd3 stays a member while {down} is down"):
        membership.leave(with_members(machines, "etcd1", "etcd2"), machines.host("master3"), FreeTurns())
    assert len(machines.etcd.voting()) == 3


def test_the_last_one_does_not_leave(machines):
    machines.etcd.members[:] = machines.etcd.members[:1]
    with pytest.raises(NodeError, match="etcd1 stays a member while there is no other"):
        membership.leave(with_members(machines, "etcd1"), machines.host("master1"), FreeTurns())


def test_one_does_not_leave_while_another_joins(machines):
    machines.etcd.add("", peer_url("etcd4"), learner=True)
    with pytest.raises(NodeError, match="stays a member while"):
        membership.leave(with_members(machines, "etcd1", "etcd2", "etcd4"), machines.host("master3"), FreeTurns())
    assert len(machines.etcd.voting()) == 3


def test_the_addresses_of_peers_are_their_fixed_names():
    assert etcd.peer_url("etcd12") == "https://etcd12.weave.local:2380"
