"""Health of components: alive for itself, ready for others, and not waited for where it only crashes."""

import pytest
from agent import health
from agent.docker import Docker
from agent.host import NodeError

LIVE, READY = "http://127.0.0.1:2381/livez", "http://127.0.0.1:2381/readyz"


def spec(**changes):
    return {"name": "etcd1", "health": LIVE, "ready": READY, "health_seconds": -1} | changes


@pytest.fixture
def answers(engine, programs, tmp_path, monkeypatch):
    """The addresses that answer in the network of the container, which runs and listens there."""
    tables = tmp_path / "4242" / "net"
    tables.mkdir(parents=True)
    (tables / "tcp").write_text("  sl  local_address rem_address   st\n")
    (tables / "tcp6").write_text("  sl  local_address\n   0: 00000000000000000000000000000000:094D 0:0 0A 0:0\n")
    monkeypatch.setattr(health, "PROC", tmp_path)
    engine.containers["etcd1"] = {"Id": "e", "settings": {"Image": "etcd"}, "running": True, "files": b""}
    found = tmp_path / "answers"
    programs.put("nsenter", f'for last; do :; done; grep -qxF "$last" {found}')
    return lambda *urls: found.write_text("".join(f"{url}\n" for url in urls))


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


def test_it_is_asked_in_the_network_of_the_container(answers, programs):
    answers(LIVE)
    health.healthy(spec(), Docker())
    assert programs.runs()[0].startswith("nsenter --net --target 4242 curl ")


@pytest.mark.parametrize("there", [True, False])
def test_one_that_does_not_run_is_not_asked(answers, engine, programs, there):
    answers(LIVE, READY)
    engine.containers["etcd1"]["running"] = False
    if not there:
        engine.containers.clear()
    assert not health.healthy(spec(), Docker()) and not health.serves(spec(), Docker())
    assert programs.runs() == []


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


def test_who_waits_for_the_api_looks_for_masters_meanwhile(programs, tmp_path, monkeypatch):
    """A sole master with a new disk asks its workers for addresses, and they have to find it."""
    monkeypatch.setattr(health, "MEANWHILE_SECONDS", -1)
    programs.put("curl", f"test -e {tmp_path}/found")
    health.api_ready("ca.crt", 5, (tmp_path / "found").touch)
    assert len(programs.runs()) == 1


def test_who_waits_for_the_api_looks_no_more_often_than_others(programs):
    programs.put("curl", "exit 7")
    with pytest.raises(NodeError, match="is a master up, and does its network reach this machine"):
        health.api_ready("ca.crt", -1, pytest.fail)
