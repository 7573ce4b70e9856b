"""Containers that take another's place, and those that hang: when a turn is taken, and what happens in it."""

import pytest
from agent import replacement
from agent.docker import Docker
from agent.host import NodeError
from agent.replacement import Wanted
from agent.turns import Stop, Waiting
from free_turns import NoTurns

STOP = Stop("kubelet", "0123456789abcdef", lambda: True)


@pytest.fixture
def wanted(engine, turns):
    """A container by the image that it is made of; `engine.hangs` is whether it answers, `engine.bad` what never does.

    What is stopped or removed is noted with the turns that are open at that time.
    """
    engine.hangs, engine.bad, engine.stopped = False, set(), []
    start, stop, remove = engine.start, engine.stop, engine.remove

    def started(name, *rest):
        start(name, *rest)
        engine.hangs = False

    def stopped(name, *rest):
        engine.stopped.append((name, *turns.open))
        stop(name, *rest)

    def removed(name, *rest):
        engine.stopped.append((name, *turns.open))
        remove(name, *rest)

    engine.start, engine.stop, engine.remove = started, stopped, removed

    def wait():
        found = engine.containers["kubelet"]
        if engine.hangs or not found["running"] or found["settings"]["Image"] in engine.bad:
            raise NodeError("no answer")

    def make(image="one", own=turns, **more):
        settings = replacement.labelled({"Image": image})
        parts = {"wait": wait, "wait_replaced": wait, "stop": STOP, "creator": Docker(), "stop_seconds": 7} | more
        return Wanted(name="kubelet", settings=settings, turns=own, **parts)

    return make


def test_one_that_hangs_is_started_again_in_its_turn(engine, turns, wanted, capsys):
    replacement.ensure(wanted())
    before, engine.hangs = engine.containers["kubelet"]["Id"], True
    engine.done.clear()
    assert replacement.ensure(wanted()) is True
    assert engine.done == [("stop", "kubelet", "7"), ("start", "kubelet")]
    assert turns.said == ["done kubelet", "hold kubelet", "done kubelet"] and engine.stopped == [("kubelet", "hold")]
    assert engine.containers["kubelet"]["Id"] == before
    assert "kubelet: no answer; it is restarted; log: the last words of kubelet" in capsys.readouterr().out
    assert replacement.ensure(wanted()) is False


def test_one_that_hangs_is_left_alone_until_its_turn(engine, wanted):
    replacement.ensure(wanted())
    engine.hangs = True
    engine.done.clear()
    with pytest.raises(Waiting):
        replacement.ensure(wanted(own=NoTurns()))
    assert engine.done == []


def test_one_that_hangs_again_is_reported_with_its_log(engine, wanted):
    replacement.ensure(wanted())
    engine.bad.add("one")
    with pytest.raises(NodeError, match="kubelet: no answer; log: the last words of kubelet"):
        replacement.ensure(wanted())


def test_the_turn_lasts_from_before_the_stop_until_the_new_one_serves_and_the_old_one_is_gone(engine, turns, wanted):
    replacement.ensure(wanted())
    waited = []
    replacement.ensure(wanted("two", wait_replaced=lambda: waited.append(list(turns.open))))
    assert waited == [["take"]]
    assert engine.stopped == [("kubelet", "take"), ("kubelet-previous", "take")]
    assert turns.said == ["done kubelet", "take kubelet", "done kubelet"] and turns.stops == [STOP]


def test_what_is_put_back_is_back_before_the_turn_ends(engine, turns, wanted):
    replacement.ensure(wanted())
    engine.bad.add("two")
    with pytest.raises(NodeError, match="no answer; the previous container is back; log: the last words of kubelet"):
        replacement.ensure(wanted("two"))
    assert engine.stopped == [("kubelet", "take"), ("kubelet", "take")]
    assert turns.said == ["done kubelet", "take kubelet"]  # it is not done
    assert engine.containers["kubelet"]["settings"]["Image"] == "one" and engine.containers["kubelet"]["running"]


def test_one_whose_replacement_was_cut_short_is_replaced_in_a_turn(engine, turns, wanted):
    """Power was lost between the old one's new name and the new one: nothing has the name of the component."""
    replacement.ensure(wanted())
    engine.containers["kubelet-previous"] = engine.containers.pop("kubelet")
    replacement.ensure(wanted())
    assert turns.said == ["done kubelet", "take kubelet", "done kubelet"] and engine.names() == {"kubelet"}


def test_a_first_one_takes_no_turn(engine, wanted):
    assert replacement.ensure(wanted(own=NoTurns())) is True
    engine.containers["kubelet"]["running"] = False
    assert replacement.ensure(wanted(own=NoTurns())) is True
