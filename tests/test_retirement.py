"""Machines of the control plane that go: nothing of them is destroyed before they have left it."""

import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from generator.cli.phases import show
from generator.errors import UserError
from generator.kubernetes import UnreachableError
from generator.operations import cluster_api, kubeconfig, release_progress, retirement, standstill
from generator.operations.cluster_secrets import Known
from generator.operations.release_progress import Halt, ReleaseProgress
from generator.operations.workspace import Workspace
from generator.terraform import Change, Plan
from providers import Addresses, Observed
from tests.test_readiness import Clock

RELEASE = "0123456789ab"
RELEASED, MASTER, DISK = "aws_s3_object.document", "aws_instance.machine", "aws_ebs_volume.etcd"
BEFORE = ReleaseProgress("before", (), (), (), (), ("etcd1", "etcd2", "etcd3"))
SERVES = replace(BEFORE, release=RELEASE)
STAYS = replace(SERVES, retired=("master3",))
LEFT = replace(STAYS, members=("etcd1", "etcd2"))
WHOLE = (
    Change(f'{RELEASED}["release.json"]', "update"),
    Change(f'{MASTER}["master3"]', "delete"),
    Change(f'{DISK}["master3"]', "delete"),
    Change(f'{MASTER}["worker-general-1"]', "delete"),
)


class World:
    """A target, its Terraform and its API. `said` is what the masters say at each look, the last for ever."""

    name, poll = "aws", 3.0
    addresses = Addresses(MASTER, DISK, RELEASED, "aws_s3_object.archive")

    def __init__(self, *said):
        self.said, self.clock, self.running = list(said), Clock(), {"master1", "master2", "master3"}
        self.left, self.applied, self.seen = list(WHOLE), [], []  # `seen` is what was applied at each look

    def observe(self, definition):
        return tuple(Observed(f"master{n}", f"master{n}" in self.running, "", "") for n in (1, 2, 3))

    def plan(self, values, targets=()):
        return Plan(Path("plan"), tuple(c for c in self.left if not targets or c.address in targets), (), False)

    def apply(self, plan, values):
        self.applied += plan.changes
        self.left = [change for change in self.left if change not in plan.changes]

    def read(self, client):
        self.seen.append(list(self.applied))
        answer = self.said.pop(0) if len(self.said) > 1 else self.said[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def pause(self, seconds):
        self.clock.sleep(seconds)

    def close(self):
        pass


@pytest.fixture
def retire(monkeypatch, tmp_path):
    """Retire master3 as `anywhere apply --may-destroy master3` does."""

    def run(world):
        monkeypatch.setattr(kubeconfig, "write", lambda *_: Path("kubeconfig"))
        monkeypatch.setattr(cluster_api, "client", lambda path: world)
        monkeypatch.setattr(release_progress, "read", world.read)
        monkeypatch.setattr(standstill, "time", world.clock)
        members = [SimpleNamespace(member=f"etcd{n}") for n in (1, 2)]
        project = SimpleNamespace(
            definition=None, provider=world, release=RELEASE + "c" * 52, folder=tmp_path, command=lambda verb: verb
        )
        topology = SimpleNamespace(having=lambda component: members)
        work = Workspace(project, None, topology, Known({}, {}, new=False), world, {})
        whole = world.plan({})
        assert retirement.leaving(work, whole) == ("master3",)
        return retirement.run(work, whole, ["master3"], show(io.StringIO()), 60)

    return run


def test_the_release_comes_first_and_the_rest_once_they_have_left(retire):
    world = World(None, UnreachableError("no route to host"), BEFORE, SERVES, STAYS, LEFT)
    rest = retire(world)
    assert world.applied == [WHOLE[0]] and world.seen == [[WHOLE[0]]] * 6
    assert world.clock.now == 5 * world.poll
    assert rest.changes == WHOLE[1:]


def test_a_release_that_moves_is_waited_for(retire):
    rollout = [replace(SERVES, left=left) for left in (("w1", "w2"), ("w2",), ()) for _ in range(15)]
    world = World(*rollout, STAYS, LEFT)
    assert retire(world).changes == WHOLE[1:] and world.clock.now > 120


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (None, "the masters have not taken the release yet"),
        (BEFORE, "the masters have not taken the release yet"),
        (replace(LEFT, release="before"), "the masters have not taken the release yet"),
        (SERVES, "master3 still serves"),
        (replace(SERVES, left=("w1",)), "master3 still serves, and the release is not complete on w1"),
        (STAYS, "etcd3 is still a member of etcd"),
        (UnreachableError("The API does not answer"), "The API does not answer"),
    ],
)
def test_who_has_not_left_is_kept_and_the_reason_said(retire, said, why):
    world = World(said)
    with pytest.raises(UserError) as kept:
        retire(world)
    assert kept.value.message == f"master3 did not leave, and nothing changed for 60 s: {why}."
    assert "Nothing was destroyed." in kept.value.hint
    assert world.applied == [WHOLE[0]] and 60 < world.clock.now < 70


def test_nobody_waits_for_a_machine_that_does_not_run(retire):
    """But for its membership: the others have to remove that."""
    world = World(SERVES, replace(SERVES, members=("etcd1", "etcd2")))
    world.running.remove("master3")
    assert retire(world).changes == WHOLE[1:]
    assert world.clock.now == world.poll


def test_a_halt_is_not_waited_for(retire):
    halted = replace(SERVES, halted=(Halt("master1", "kubelet", "not ready"),))
    world = World(halted)
    with pytest.raises(UserError, match=r"The rollout is halted: master1 put kubelet back, .*: not ready") as ended:
        retire(world)
    assert "rollout resume" in ended.value.hint and world.clock.now == 0


def test_more_than_was_agreed_to_is_not_destroyed(retire):
    world = World(LEFT)
    apply = world.apply

    def changed(plan, values):
        apply(plan, values)
        world.left.append(Change(f'{MASTER}["worker-general-2"]', "delete"))

    world.apply = changed
    with pytest.raises(UserError, match=r"More has to change now than you approved: .*worker-general-2"):
        retire(world)


def test_those_alone_leave_that_are_destroyed_for_good():
    changes = (*WHOLE, Change(f'{MASTER}["etcd1"]', "replace"), Change(f'{MASTER}["etcd2"]', "delete"))
    work = SimpleNamespace(project=SimpleNamespace(provider=World()))
    assert retirement.leaving(work, Plan(Path("plan"), changes, (), False)) == ("master3", "etcd2")
