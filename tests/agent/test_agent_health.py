"""Health of components: alive for itself, ready for others, and not waited for where it only crashes."""

import ssl

import pytest
from agent import api, health, probe
from agent.docker import Docker
from agent.host import NodeError
from etcd_keys import Authority

LIVE, READY = "http://127.0.0.1:2381/livez", "http://127.0.0.1:2381/readyz"


def spec(**changes):
    return {"name": "etcd1", "health": LIVE, "ready": READY, "health_seconds": -1} | changes


@pytest.fixture
def answers(engine, tmp_path, monkeypatch):
    """Sets which addresses answer well in the network of the container, which runs and listens there."""
    tables = tmp_path / "4242" / "net"
    tables.mkdir(parents=True)
    (tables / "tcp").write_text("  sl  local_address rem_address   st\n")
    (tables / "tcp6").write_text("  sl  local_address\n   0: 00000000000000000000000000000000:094D 0:0 0A 0:0\n")
    monkeypatch.setattr(probe, "PROC", tmp_path)
    engine.containers["etcd1"] = {"Id": "e", "settings": {"Image": "etcd"}, "running": True, "files": b""}
    well = set()
    monkeypatch.setattr(probe, "status", lambda pid, url: 200 if (pid, url) in well else 503)
    return lambda *urls: (well.clear(), well.update((4242, url) for url in urls))


@pytest.mark.parametrize(
    ("urls", "alive", "serving"), [((LIVE, READY), True, True), ((LIVE,), True, False), ((), False, False)]
)
def test_one_may_be_alive_and_not_ready(answers, urls, alive, serving):
    answers(*urls)
    assert health.healthy(spec(), Docker()) is alive
    assert health.serves(spec(), Docker()) is serving


def test_where_there_is_no_other_address_alive_is_ready(answers):
    answers(LIVE)
    assert health.serves(spec(ready=""), Docker())


@pytest.mark.parametrize("there", [True, False])
def test_one_that_does_not_run_is_not_asked(answers, engine, there):
    answers(LIVE, READY)
    engine.containers["etcd1"]["running"] = False
    if not there:
        engine.containers.clear()
    assert not health.healthy(spec(), Docker()) and not health.serves(spec(), Docker())


def test_a_first_one_is_waited_for_until_it_is_alive_and_one_in_anothers_place_until_it_is_ready(answers):
    answers(LIVE)
    health.wait(spec(), Docker())
    with pytest.raises(NodeError, match="etcd1 was not ready within"):
        health.wait_serving(spec(), Docker())
    answers(LIVE, READY)
    health.wait_serving(spec(), Docker())


def test_nothing_is_waited_for_where_there_is_nothing_to_ask(answers, engine):
    engine.containers.clear()
    health.wait(spec(health="", ready=""), Docker())
    health.wait_serving(spec(health="", ready=""), Docker())


def test_what_crashes_in_the_place_of_another_is_not_waited_for(answers, engine):
    """With `health_seconds` of five minutes, a wrong flag would take a component away for as long."""
    answers()
    engine.containers["etcd1"] |= {"restarts": 5, "exit": 2}
    with pytest.raises(NodeError, match="it ended 5 times, with exit 2"):
        health.wait_serving(spec(health_seconds=600), Docker())


def test_what_crashed_a_few_times_may_still_come_up(answers, engine):
    """An API server ends while etcd does not answer."""
    answers(LIVE, READY)
    engine.containers["etcd1"] |= {"restarts": 4, "exit": 1}
    health.wait_serving(spec(), Docker())


@pytest.fixture
def authority(tmp_path):
    (tmp_path / "ca.crt").write_text(Authority().ca)
    return str(tmp_path / "ca.crt")


def test_who_waits_for_the_api_looks_for_masters_meanwhile(authority, monkeypatch):
    """A sole master with a new disk asks its workers for addresses, and they have to find it."""
    found = []
    monkeypatch.setattr(health, "MEANWHILE_SECONDS", -1)
    monkeypatch.setattr(api, "answers", lambda name, tls, path: bool(found))
    health.api_ready(authority, 5, lambda: found.append("a master"))
    assert found == ["a master"]


def test_who_waits_for_the_api_looks_no_more_often_than_others(authority, monkeypatch):
    monkeypatch.setattr(api, "answers", lambda name, tls, path: False)
    with pytest.raises(NodeError, match="is a master up, and does its network reach this machine"):
        health.api_ready(authority, -1, pytest.fail)


def test_the_api_is_believed_by_its_name_and_the_clusters_authority(authority, monkeypatch):
    asked = []
    monkeypatch.setattr(api, "answers", lambda name, tls, path: asked.append((name, tls.verify_mode, path)) or True)
    health.api_ready(authority, 5, pytest.fail)
    assert asked == [("kube-apiserver.weave.local", ssl.CERT_REQUIRED, "/readyz")]
