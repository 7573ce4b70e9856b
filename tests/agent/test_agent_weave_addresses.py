"""Who shares the network's addresses, and who asks others for some."""

import socket

import pytest
from agent import membership
from agent.host import Host, NodeError
from agent.network import weave
from agent.network.weave import addresses, client, interfaces, router
from releases import release

MASTER = Host("master1", "master", "master", "10.20.1.10", "10.0.2.100", 1500)
ETCD = Host("etcd1", "etcd", "etcd", "10.20.0.10", "10.0.2.100", 1500)
WORKER = Host("worker-general-1", "worker", "worker-general", "10.20.4.1", "10.0.2.100", 1500)


@pytest.fixture
def founded(tmp_path, monkeypatch):
    """A machine on which nothing is decided; the answers to whether etcd was complete once, taken from the end."""
    monkeypatch.setattr(addresses, "DECIDED", tmp_path / "weave-addresses")
    answers = []
    monkeypatch.setattr(membership, "is_founded", lambda: answers.pop())
    return answers


def share(host, name="ha", *, has_data=False):
    return addresses.share(release(name), host, has_data=has_data)


def test_who_founds_the_cluster_shares_them_and_goes_on_to(founded):
    founded += [False]
    assert share(MASTER)
    assert share(MASTER, has_data=True)  # etcd is complete by then, and is not asked again


def test_who_comes_anew_to_a_cluster_that_is_there_asks(founded):
    """Another machine may own by now what it had; two that claimed the same were seen to crash."""
    founded += [True]
    assert not share(MASTER)
    assert not share(MASTER, has_data=True)


def test_a_router_that_an_earlier_version_started_goes_on_as_it_did(founded):
    assert share(MASTER, has_data=True)


def test_machines_without_etcd_ask(founded):
    assert share(WORKER) is share(MASTER, "star-wars") is False
    founded += [False]
    assert share(ETCD, "star-wars")


def test_it_is_decided_anew_once_the_routers_data_is_gone(founded, engine):
    founded += [True, False]
    assert share(MASTER)
    router.remove()
    assert not share(MASTER)


@pytest.mark.parametrize("later", [True, False])
def test_it_is_decided_anew_where_the_data_went_in_another_way(founded, later):
    """As where a person removes all containers that do not run, or power fails before there is any."""
    founded += [later, False]
    assert share(MASTER)
    assert share(MASTER) is not later


@pytest.fixture
def shared(founded, monkeypatch):
    """What the router says at each second of whether it knows who owns what; the last for ever. It has to ask."""
    said, now = [], [0.0]
    monkeypatch.setattr(client, "is_shared", lambda: said.pop(0) if len(said) > 1 else said[0])
    monkeypatch.setattr(addresses.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(addresses.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    founded += [True]
    assert not share(MASTER)
    return said


def test_who_asks_waits_for_a_peer_that_has_some(shared):
    shared += [False, False, True]
    assert not addresses.are_lost(MASTER)
    assert not share(MASTER, has_data=True)


def test_where_nobody_has_any_they_are_shared_anew(shared, capsys):
    """As after the loss of all machines: a cluster that is restored has a network."""
    shared += [False]
    assert addresses.are_lost(MASTER)
    assert "they are shared anew" in capsys.readouterr().out
    assert share(MASTER, has_data=True)
    assert not addresses.are_lost(MASTER)


def test_who_shares_them_waits_for_nobody(founded):
    founded += [False]
    assert share(MASTER)
    assert not addresses.are_lost(MASTER)


def test_a_worker_that_has_none_yet_waits_elsewhere(founded):
    assert not share(WORKER)
    assert not addresses.are_lost(WORKER)


def test_the_driver_shares_them_anew_at_once_and_joins_then(founded, monkeypatch):
    steps = []
    monkeypatch.setattr(weave, "install_cni_plugins", lambda image: None)
    monkeypatch.setattr(router, "ensure", lambda release, host, turns: steps.append(type(turns).__name__))
    monkeypatch.setattr(addresses, "are_lost", lambda host: True)
    monkeypatch.setattr(weave.Weave, "_join", lambda self: steps.append("join"))
    monkeypatch.setattr(client, "reaches", lambda others: True)
    weave.driver(release("ha"), MASTER).up("turns")
    assert steps == ["str", "AtOnce", "join"]


LINES = """\
-> 10.20.1.42:6783       failed      dial tcp :0->10.20.1.42:6783: connect: connection refused, retry: 2026-11-27
<- 10.20.4.1:43201       established encrypted   fastdp 02:00:0a:14:04:01(worker-general-1) mtu=1376
"""


@pytest.fixture
def asked(monkeypatch):
    """What the router is asked; it is connected to a worker alone."""
    calls = []

    def call(method, path, body=None, **headers):
        calls.append((method, path, body))
        return LINES

    monkeypatch.setattr(client, "call", call)
    monkeypatch.setattr(interfaces, "remove_stale", lambda: None)
    return calls


def test_who_reaches_none_of_the_founders_tries_them_now(asked):
    """After some failures the router would try only every few minutes, and they may be up again, with new disks."""
    weave.driver(release("ha"), MASTER).repair()
    assert asked[1:] == [("POST", "/connect", "peer=10.20.1.42&peer=10.20.1.74")]


def test_who_reaches_one_leaves_that_to_the_router(asked):
    found = release("ha")
    found["network"] = {**found["network"], "founders": ["10.20.4.1", "10.20.1.42"]}
    weave.driver(found, MASTER).repair()
    assert [path for _, path, _ in asked] == ["/status/connections"]


def test_who_is_alone_has_nobody_to_try(asked):
    weave.driver(release("quickstart"), MASTER).repair()
    assert asked == []


@pytest.mark.parametrize(("known", "said"), [(False, "is reached, of 10.20.1.10, 10.20.1.42"), (True, "slow")])
def test_who_is_given_no_address_says_why(monkeypatch, known, said):
    """The router answers once there is one, however long that takes."""

    def call(*_, **__):
        raise TimeoutError("slow")

    monkeypatch.setattr(client, "call", call)
    monkeypatch.setattr(client, "is_shared", lambda: known)
    with pytest.raises((NodeError, TimeoutError), match=said):
        weave.driver(release("ha"), WORKER)._expose()


def test_a_router_that_takes_too_long_says_for_what(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(client, "ADDRESS", f"127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(client, "SECONDS", 0.05)
        with pytest.raises(TimeoutError, match="weave POST /ip/weave:expose: no answer within"):
            client.call("POST", "/ip/weave:expose")


def fail():
    raise ConnectionRefusedError


@pytest.mark.parametrize(("answers", "known"), [(True, True), (True, False), (False, True)])
def test_a_router_serves_once_it_knows_of_addresses(monkeypatch, answers, known):
    monkeypatch.setattr(client, "answers", lambda: answers)
    monkeypatch.setattr(client, "is_shared", lambda: known)
    assert client.serves() is (answers and known)
    monkeypatch.setattr(client, "is_shared", fail)
    assert not client.serves()
