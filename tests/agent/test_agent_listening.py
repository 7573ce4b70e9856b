"""Health checks: nobody is asked before it listens, and what it answers decides."""

import os
import socket

import pytest
from agent import health
from agent.docker import Docker


def running():
    return {"State": {"Running": True, "Pid": os.getpid()}}


@pytest.fixture
def port(programs, monkeypatch):
    """A port at which nobody listens yet, of the container etcd1, whose process is this one."""
    monkeypatch.setattr(Docker, "inspect", lambda self, name: running())
    programs.put("nsenter")
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held


def spec(port):
    return {"name": "etcd1", "health": f"https://127.0.0.1:{port.getsockname()[1]}/livez"}


def test_nobody_is_asked_before_it_listens(port, programs):
    assert not health.healthy(spec(port), Docker())
    assert programs.runs() == []


@pytest.mark.parametrize("answer", [True, False])
def test_who_listens_is_asked(port, programs, answer):
    port.listen()
    programs.put("nsenter", f"exit {0 if answer else 22}")
    assert health.healthy(spec(port), Docker()) is answer
    (asked,) = programs.runs()
    assert asked.startswith(f"nsenter --net --target {os.getpid()} curl") and asked.endswith(spec(port)["health"])


def test_one_who_listens_on_every_address_is_asked(port, programs):
    with socket.socket(socket.AF_INET6) as both:
        both.bind(("::", 0))
        both.listen()
        assert health.healthy(spec(both), Docker())


def test_one_that_has_ended_is_not_healthy(port, programs, monkeypatch):
    monkeypatch.setattr(Docker, "inspect", lambda self, name: {"State": {"Running": True, "Pid": 1 << 30}})
    assert not health.healthy(spec(port), Docker())
    assert programs.runs() == []


def test_who_starts_is_waited_for_until_it_answers_whatever_that_is(port, programs, monkeypatch):
    monkeypatch.setattr(Docker, "inspect", lambda self, name: {"RestartCount": 0, **running()})
    monkeypatch.setattr(health.host.time, "sleep", lambda seconds: port.listen())
    programs.put("nsenter", 'case "$*" in *--fail*) exit 22 ;; esac')
    health.wait_answering({**spec(port), "health_seconds": 60}, Docker())
    assert len(programs.runs()) == 1


def test_one_that_crashes_or_takes_too_long_is_left_to_who_tells_of_it(port, monkeypatch):
    monkeypatch.setattr(Docker, "inspect", lambda self, name: {"RestartCount": 0, **running()})
    health.wait_answering({**spec(port), "health_seconds": 0}, Docker())
    monkeypatch.setattr(Docker, "inspect", lambda self, name: {"RestartCount": 1, **running()})
    health.wait_answering({**spec(port), "health_seconds": 3600}, Docker())
