"""How far a release is, in words."""

from types import SimpleNamespace

import pytest

from generator.errors import UserError
from generator.operations import release_progress
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
