"""How far a release is, in words."""

from types import SimpleNamespace

import pytest

from generator.errors import UserError
from generator.operations import release_progress, standstill
from generator.operations.release_progress import Halt, ReleaseProgress

PACKAGES = Halt("master2", "debian", "tool: exit 3")
KUBELET = Halt("worker-general-1", "kubelet", "it ended 5 times")


def progress(*halted):
    return ReleaseProgress("a" * 12, ("master3",), (), halted, (), ())


@pytest.mark.parametrize(
    ("halt", "said"),
    [
        (PACKAGES, "master2 could not update its packages: tool: exit 3"),
        (KUBELET, "worker-general-1 put kubelet back, as its new version did not work: it ended 5 times"),
    ],
)
def test_a_halt_says_what_became_of_the_machine(halt, said):
    assert release_progress.describe(progress(halt))[0] == f"Halted: {said}"
    project = SimpleNamespace(release="a" * 64, command=lambda verb: f"anywhere {verb}")
    with pytest.raises(UserError, match=f"^The rollout is halted: {said}$") as caught:
        release_progress.refuse_halted(progress(halt), project)
    assert "anywhere rollout resume" in caught.value.hint
    release_progress.refuse_halted(progress(), project)


RELEASE = "a" * 64
DONE = ReleaseProgress("a" * 12, (), (), (), (), ())
OF_BEFORE = ReleaseProgress("b" * 12, (), (), (), (), ())


class Clock:
    """The API, which says one thing after the other and the last one for good. Only its pauses take time."""

    def __init__(self, monkeypatch, *said):
        self.said, self.now = list(said), 0.0
        monkeypatch.setattr(
            release_progress, "read", lambda client: self.said.pop(0) if self.said[1:] else self.said[0]
        )
        monkeypatch.setattr(standstill.time, "monotonic", lambda: self.now)

    def pause(self, seconds):
        self.now += seconds

    def wait(self, timeout):
        release_progress.wait(SimpleNamespace(release=RELEASE, provider=SimpleNamespace(poll=10.0)), self, timeout)


def test_a_release_is_waited_for_until_every_machine_runs_it(monkeypatch):
    clock = Clock(monkeypatch, None, OF_BEFORE, progress(), progress(), DONE)
    clock.wait(15.0)  # less than it takes in all: progress gives it more
    assert clock.now == 40.0


def test_one_that_makes_no_progress_is_given_up(monkeypatch):
    clock = Clock(monkeypatch, OF_BEFORE, progress())
    with pytest.raises(UserError, match=r"is not complete yet on: master3\. It made no progress for 60 s\."):
        clock.wait(60.0)
    assert clock.now == 80.0


def test_one_that_was_halted_is_not_waited_for(monkeypatch):
    clock = Clock(monkeypatch, progress(), progress(KUBELET))
    with pytest.raises(UserError, match=r"^The rollout is halted: "):
        clock.wait(1000.0)
    assert clock.now == 10.0
