"""What units run: each program does its work again and again, whatever fails, until it is stopped."""

import runpy
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import agent
import pytest
from agent import drain, host, kubectl, rollout, snapshot
from agent.drain import LABEL, NODES, Drainer
from agent.host import Host, NodeError

ME = Host("master1", "master", "master", "10.20.1.10", "10.0.2.100", 1500)
AWAY = [ConnectionRefusedError("refused"), NodeError("no majority")]


class Ended(Exception):
    """The test has seen enough of what never ends."""


@pytest.fixture
def document(tmp_path, monkeypatch):
    """The release, which is this machine's."""
    path = tmp_path / "release.json"
    path.write_text("{}")
    monkeypatch.setattr(sys, "argv", ["program", str(path)])
    monkeypatch.setattr(host, "release", lambda text: {})
    monkeypatch.setattr(host, "read", lambda release: ME)
    return path


@pytest.fixture
def slept(monkeypatch):
    """A clock of these modules that notes for how long they sleep."""
    found = []

    def sleep(seconds):
        found.append(seconds)
        if len(found) > 20:
            pytest.fail("it does nothing but sleep")

    for module in (drain, rollout, snapshot):
        clock = SimpleNamespace(sleep=sleep, monotonic=module.time.monotonic)
        monkeypatch.setattr(module, "time", clock)
    return found


@pytest.fixture
def terminated():
    """What ends a service does not end the tests."""
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    yield
    signal.signal(signal.SIGTERM, before)


def in_turn(*answers):
    """A function that returns or raises these, one at a call."""
    left = iter(answers)

    def call(*_, **__):
        answer = next(left)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return call


@pytest.mark.parametrize("away", AWAY)
def test_masters_see_off_whoever_the_api_announces(document, slept, monkeypatch, capsys, away):
    node, seen = {"metadata": {"name": "worker-general-1"}}, []

    def watch(path, labelSelector):  # noqa: N803
        assert (path, labelSelector) == (NODES, LABEL)
        yield node

    api = SimpleNamespace(watch=watch)
    monkeypatch.setattr(kubectl, "api", in_turn(away, api, Ended()))
    monkeypatch.setattr(Drainer, "consider", lambda self, *given: seen.append((self._me, *given)))
    with pytest.raises(Ended):
        drain.main()
    assert seen == [("master1", api, node)] and slept == [2]
    assert f"waiting for the API: {away}" in capsys.readouterr().out


@pytest.mark.parametrize("away", AWAY)
def test_a_master_goes_on_to_lead_until_it_is_stopped_and_then_ends_in_order(
    document, slept, terminated, monkeypatch, away
):
    """It exits, rather than that it is killed: only then another master leads at once."""
    turns = iter((lambda: None, in_turn(away), lambda: signal.raise_signal(signal.SIGTERM), in_turn(Ended())))
    led = []
    monkeypatch.setattr(rollout, "lead", lambda *given: (led.append(given), next(turns)()))
    with pytest.raises(SystemExit) as stopped:
        rollout.main()
    assert stopped.value.code == 0
    assert led == [(document, ME)] * 3 and slept == [rollout.LOOK_SECONDS] * 2


def test_snapshots_are_looked_at_again_and_again_and_a_problem_is_said_once(document, slept, monkeypatch, capsys):
    problem = NodeError("age: error: no")
    looks = in_turn(None, problem, problem, None, problem, Ended())
    monkeypatch.setattr(snapshot, "look", looks)
    with pytest.raises(Ended):
        snapshot.main()
    calm, failed = snapshot.LOOK_SECONDS, snapshot.FAILED_SECONDS
    assert slept == [calm, failed, failed, calm, failed]
    assert capsys.readouterr().out.splitlines() == ["no snapshot: age: error: no"] * 2


@pytest.mark.parametrize("program", ["__main__", "drain", "leave", "measures", "rollout", "snapshot"])
def test_each_program_takes_the_release_that_it_is_given(program, programs, terminated, tmp_path, monkeypatch):
    programs.put("systemctl", "echo poweroff.target")
    monkeypatch.setattr(sys, "argv", [program, str(tmp_path / "missing.json")])
    monkeypatch.setattr("time.sleep", in_turn(Ended()))  # those of measures and snapshots wait for it
    with pytest.raises((FileNotFoundError, Ended)):
        runpy.run_path(str(Path(agent.__file__).parent / f"{program}.py"), run_name="__main__")
