"""Which workers have their turn next."""

import math

import pytest
from agent import waves
from agent.waves import Worker, booting, following, unfinished, worker_of
from hypothesis import given
from hypothesis import strategies as st
from node_api import node

RELEASES = st.sampled_from(["", "a", "b"])
WORKERS = st.lists(st.builds(Worker, st.just(""), RELEASES, RELEASES, RELEASES, st.booleans()), max_size=60).map(
    lambda workers: [Worker(f"worker-{n:03}", w.release, w.turn, w.waits, w.ready) for n, w in enumerate(workers)]
)


def waiting(number, **changes):
    base = {"release": "a", "turn": "a", "waits": "b", "ready": True} | changes
    return Worker(name=f"worker-{number:04}", **base)


def done(number, **changes):
    return waiting(number, **{"release": "b", "turn": "b", "waits": ""} | changes)


def test_a_worker_is_what_its_node_says():
    found = worker_of(node("worker-general-1", release="a", turn="b", waits="c"))
    assert found == Worker("worker-general-1", "a", "b", "c", ready=True)
    assert worker_of(node("worker-general-1", ready=False)) == Worker("worker-general-1", "", "", "", ready=False)
    bare = {"metadata": {"name": "worker-general-1"}, "status": {}}
    assert worker_of(bare) == Worker("worker-general-1", "", "", "", ready=False)


@pytest.mark.parametrize(("state", "ready"), [("True", True), ("False", False), ("Unknown", False)])
def test_only_true_is_ready(state, ready):
    found = node("worker-general-1")
    found["status"]["conditions"] = [{"type": "MemoryPressure", "status": "True"}, {"type": "Ready", "status": state}]
    assert worker_of(found).ready is ready


@pytest.mark.parametrize(
    ("number", "share", "sizes"),
    [
        (1, 0.2, [1]), (3, 0.2, [1, 1, 1]), (10, 0.2, [1, 1, 2, 2, 2, 2]), (100, 0.2, [1, 5, 20, 20, 20, 20, 14]),
        (1000, 0.1, [1, 50, *[100] * 9, 49]), (10, 1.0, [1, 1, 8]), (7, 0.01, [1] * 7),
    ],
)  # fmt: skip
def test_the_waves_of_a_whole_rollout(number, share, sizes):
    workers, found = [waiting(n) for n in range(number)], []
    while wave := following(workers, "b", share):
        found.append(len(wave))
        workers = [done(n) if worker.name in wave else worker for n, worker in enumerate(workers)]
    assert found == sizes and all(worker.release == "b" for worker in workers)


@pytest.mark.parametrize("under_way", [{"release": "a"}, {"ready": False}, {"release": "", "ready": False}])
def test_no_wave_begins_before_the_one_before_runs_and_is_ready(under_way):
    workers = [done(1, **under_way), *(waiting(n) for n in range(2, 20))]
    assert unfinished(workers, "b") == ["worker-0001"] and following(workers, "b", 0.2) == []
    assert following([done(1), *workers[1:]], "b", 0.2) == ["worker-0002"]


def test_one_that_is_not_ready_and_has_no_turn_holds_up_nobody():
    """It may be the one that the release mends."""
    assert following([waiting(1, ready=False), waiting(2)], "b", 0.2) == ["worker-0001"]
    assert following([waiting(1, waits="", ready=False), waiting(2)], "b", 0.2) == ["worker-0002"]


def test_one_worker_boots_at_a_time_of_those_that_have_their_turn_and_ask():
    asking = [waiting(n, turn="b", boots="b") for n in (3, 2)]
    others = [waiting(1, turn="b"), waiting(0, boots="b"), waiting(4, turn="b", boots="a"), done(5, emptied="b")]
    assert booting([*others, *asking], "b") == "worker-0002" and booting(others, "b") == ""
    assert booting([*asking, waiting(9, turn="b", boots="b", emptied="b")], "b") == ""
    assert booting([*asking, waiting(9, turn="b", boots="b", emptied="a")], "b") == "worker-0002"


def test_only_those_that_wait_for_this_release_have_their_turn():
    workers = [waiting(1, waits="a"), waiting(2, waits=""), waiting(3, release="b"), waiting(4)]
    assert following(workers, "b", 1.0) == ["worker-0004"]


@given(workers=WORKERS, share=st.floats(0.01, 1.0))
def test_a_wave_is_never_larger_than_its_share_and_only_of_those_that_wait(workers, share):
    wave = following(workers, "b", share)
    by_name = {worker.name: worker for worker in workers}
    assert len(set(wave)) == len(wave) and all(by_name[name].waits == "b" for name in wave)
    assert all(by_name[name].release != "b" and by_name[name].turn != "b" for name in wave)
    few, most = math.ceil(waves.FEW * len(workers)), math.ceil(share * len(workers))
    had = sum(worker.turn == "b" for worker in workers)
    assert len(wave) <= (1 if not had else max(1, few, most))
    if unfinished(workers, "b"):
        assert wave == []
    elif any(w.waits == "b" and "b" not in (w.turn, w.release) for w in workers):
        assert wave
