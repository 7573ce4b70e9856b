"""What real members of etcd answer while they change, and whether the agent's client reads it aright."""

import pytest
import real_etcd
from agent import etcd
from agent.etcd import Silent
from agent.host import NodeError
from real_etcd import wait


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return real_etcd.program(tmp_path_factory.mktemp("etcd"))


@pytest.fixture
def cluster(program, tmp_path, monkeypatch):
    """A cluster of etcd1 alone, which the agent finds."""
    with real_etcd.of_agent(program, tmp_path, monkeypatch) as found:
        yield found


def connect(*members, first=""):
    return etcd.connect({"etcd": {"members": list(members)}}, "etcd", first)


def member(client, name):
    return next(each for each in client.members() if each.name == name)


def described(*members):
    return ",".join(f"{each}={etcd.peer_url(each)}" for each in members)


def settled(change, *arguments):
    """Change the members once etcd lets it: not within some seconds of the change before."""

    def changed():
        try:
            change(*arguments)
        except NodeError:
            return False
        return True

    wait(changed, "a change of the members")


def grow(cluster):
    """Add etcd2, which follows and does not vote."""
    client = connect("etcd1")
    client.add_learner(etcd.peer_url("etcd2"))
    cluster.start("etcd2", described("etcd1", "etcd2"), "existing")
    cluster.wait("etcd2", path="/livez")
    wait(lambda: any(each.name == "etcd2" for each in client.members()), "etcd2 tells its name")
    return client


def test_a_member_that_was_added_has_no_name_before_it_starts_and_cannot_vote_before_it_has_caught_up(cluster):
    client = connect("etcd1")
    client.add_learner(etcd.peer_url("etcd2"))
    (added,) = (each for each in client.members() if each.learner)
    assert (added.name, added.peer) == ("", etcd.peer_url("etcd2"))
    with pytest.raises(NodeError, match="in sync with leader") as caught:
        client.promote(added)
    assert not isinstance(caught.value, Silent)
    assert client.serves(etcd.host_of("etcd1"))  # whether it starts or not


def test_a_learner_votes_once_it_is_promoted_and_serves_only_then(cluster):
    client = grow(cluster)
    learner = member(client, "etcd2")
    assert learner.learner and not client.serves(etcd.host_of("etcd2"))
    settled(client.promote, learner)
    assert not member(client, "etcd2").learner
    cluster.wait("etcd2")
    assert client.serves(etcd.host_of("etcd2"))


def test_a_learner_sends_on_to_the_others(cluster):
    grow(cluster)
    client = connect("etcd1", "etcd2", first="etcd2")
    client.put("/a", "1")
    assert client.get("/a") == "1" and member(client, "etcd2").learner
    settled(client.promote, member(client, "etcd2"))
    assert not member(client, "etcd2").learner


def test_what_is_claimed_is_its_owners_alone_and_had_again_by_a_process_that_took_anothers_place(cluster):
    client = grow(cluster)
    killed = client.claim("/lock", "me", 60)
    assert client.claim("/lock", "another", 60) is None
    later = client.claim("/lock", "me", 60)
    assert not client.renew(killed) and client.renew(later)
    assert client.claim("/lock", "another", 60) is None
    client.put("/kept", "me")  # without a lease
    assert client.claim("/kept", "me", 60) is None and client.get("/kept") == "me"


def test_without_a_majority_it_is_silent_and_nobody_serves(cluster):
    client = grow(cluster)
    settled(client.promote, member(client, "etcd2"))
    cluster.wait("etcd1", "etcd2")
    cluster.stop("etcd2")
    with pytest.raises(Silent):
        client.put("/a", "1")
    with pytest.raises(Silent):
        client.claim("/lock", "me", 60)
    assert not client.serves(etcd.host_of("etcd1"))


def test_the_members_are_those_that_a_majority_knows(cluster):
    client = grow(cluster)
    settled(client.promote, member(client, "etcd2"))
    cluster.wait("etcd1", "etcd2")
    cluster.stop("etcd2")
    with pytest.raises(Silent):
        client.put("/a", "1")  # it knows by now that it is alone
    with pytest.raises(Silent):
        client.members()


def test_a_member_that_is_removed_ends_and_never_starts_again_on_its_data(cluster):
    """So a machine that becomes a member anew needs an empty disk."""
    client = grow(cluster)
    settled(client.promote, member(client, "etcd2"))
    settled(client.remove, member(client, "etcd2"))
    wait(lambda: cluster.ended("etcd2"), "the end of etcd2")
    cluster.start("etcd2", described("etcd1", "etcd2"), "existing")
    wait(lambda: cluster.ended("etcd2"), "the end of etcd2")
    assert [each.name for each in client.members()] == ["etcd1"] and client.serves(etcd.host_of("etcd1"))


def test_a_member_whose_disk_is_lost_comes_back_as_another(cluster):
    client = grow(cluster)
    client.put("/a", "1")
    settled(client.promote, member(client, "etcd2"))
    before = member(client, "etcd2").id
    settled(client.add_learner, etcd.peer_url("etcd3"))
    cluster.start("etcd3", described("etcd1", "etcd2", "etcd3"), "existing")
    cluster.wait("etcd3", path="/livez")
    settled(client.promote, next(each for each in client.members() if each.learner))
    cluster.wait("etcd1", "etcd2", "etcd3")
    cluster.wipe("etcd2")
    settled(client.remove, member(client, "etcd2"))
    settled(client.add_learner, etcd.peer_url("etcd2"))
    cluster.start("etcd2", described("etcd1", "etcd2", "etcd3"), "existing")
    wait(lambda: any(each.name == "etcd2" for each in client.members()), "etcd2 tells its name")
    settled(client.promote, member(client, "etcd2"))
    cluster.wait("etcd2")
    assert member(client, "etcd2").id != before
    assert connect("etcd2").get("/a") == "1"


def test_a_member_that_starts_with_a_certificate_that_has_expired_serves_and_answers_no_call(cluster):
    """Its gateway shows its own server that certificate, and is refused: there is no lock to take."""
    host = etcd.host_of("etcd1")
    assert not connect("etcd1").has_expired(host)
    cluster.stop("etcd1")
    assert not connect("etcd1").has_expired(host)
    cluster.start("etcd1", days=-1)
    cluster.wait("etcd1")
    client = connect("etcd1")
    assert client.serves(host) and client.has_expired(host)
    with pytest.raises(Silent) as caught:
        client.put("/a", "1")
    assert caught.value.heard
