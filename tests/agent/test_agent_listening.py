"""Health checks: nobody is asked before it listens, and what it answers decides."""

import os
import socket
from types import SimpleNamespace

import pytest
from agent import health, probe
from agent.docker import Docker


def running():
    return {"State": {"Running": True, "Pid": os.getpid()}}


@pytest.fixture
def answer(monkeypatch):
    """The status with which everybody answers, who was asked, and what."""
    found = SimpleNamespace(status=200, asked=[])
    monkeypatch.setattr(probe, "status", lambda pid, url: (found.asked.append((pid, url)), found.status)[1])
    return found


@pytest.fixture
def port(answer, monkeypatch):
    """A port at which nobody listens yet, of the container etcd1, whose process is this one."""
    monkeypatch.setattr(Docker, "inspect", lambda self, name: running())
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held


def spec(port):
    return {"name": "etcd1", "health": f"https://127.0.0.1:{port.getsockname()[1]}/livez"}


def test_nobody_is_asked_before_it_listens(port, answer):
    assert not health.healthy(spec(port), Docker())
    assert answer.asked == []


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (403, False), (503, False), (None, False)])
def test_who_listens_is_asked(port, answer, status, healthy):
    port.listen()
    answer.status = status
    assert health.healthy(spec(port), Docker()) is healthy
    assert answer.asked == [(os.getpid(), spec(port)["health"])]


def test_one_who_listens_on_every_address_is_asked(port):
    with socket.socket(socket.AF_INET6) as both:
        both.bind(("::", 0))
        both.listen()
        assert health.healthy(spec(both), Docker())


def test_one_that_has_ended_is_not_healthy(port, answer, monkeypatch):
    monkeypatch.setattr(Docker, "inspect", lambda self, name: {"State": {"Running": True, "Pid": 1 << 30}})
    assert not health.healthy(spec(port), Docker())
    assert answer.asked == []


def test_who_starts_is_waited_for_until_it_answers_whatever_that_is(port, answer, monkeypatch):
    monkeypatch.setattr(Docker, "inspect", lambda self, name: {"RestartCount": 0, **running()})
    monkeypatch.setattr(health.host.time, "sleep", lambda seconds: port.listen())
    answer.status = 500
    health.wait_answering({**spec(port), "health_seconds": 60}, Docker())
    assert len(answer.asked) == 1


def test_one_that_crashes_or_takes_too_long_is_left_to_who_tells_of_it(port, monkeypatch):
    monkeypatch.setattr(Docker, "inspect", lambda self, name: {"RestartCount": 0, **running()})
    health.wait_answering({**spec(port), "health_seconds": 0}, Docker())
    monkeypatch.setattr(Docker, "inspect", lambda self, name: {"RestartCount": 1, **running()})
    health.wait_answering({**spec(port), "health_seconds": 3600}, Docker())
