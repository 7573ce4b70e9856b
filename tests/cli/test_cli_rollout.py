"""Machines of the control plane taken one at a time, on a target whose machines take a while to come back."""

import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from generator.cli.phases import show
from generator.cli.plan_view import text
from generator.definition import SIZES
from generator.errors import UserError
from generator.kubernetes import Node
from generator.operations import cluster_api, kubeconfig, patience, rollout
from generator.operations.cluster_secrets import Known
from generator.operations.review import Review
from generator.operations.workspace import Workspace
from generator.terraform import Change, Plan
from generator.topology import Machine, Topology
from providers import Addresses, Observed
from tests.test_readiness import Clock

RELEASE = "0123456789ab"
COMPONENTS = {"etcd": ("etcd",), "master": ("kube-apiserver", "kubelet"), "worker": ("kubelet",)}
COMES_BACK = 4  # looks after its start until a machine says that it is ready; half of them it shows what was before
API_KNOWS = 6  # until the API knows what was started


def machine(name):
    role = name.rstrip("0123456789")
    return Machine(name, role, 1, "", SIZES["small"], "amd64", "10.20.0.1", {}, (), COMPONENTS[role])


def address(name, kind="aws_instance.machine"):
    return f'{kind}["{name}"]'


def updated(*names):
    return {address(name): "update" for name in names}


class World:
    """A target, its Terraform and its API. A machine that `fails` never says that it is ready after a start."""

    name, manages_workers, poll, api_remedy = "aws", True, 3.0, ""
    addresses = Addresses(
        "aws_instance.machine", "aws_ebs_volume.etcd", "aws_s3_object.document", "aws_s3_object.archive"
    )

    def __init__(self, names, changes):
        self.left = dict(changes)
        self.topology = Topology(tuple(map(machine, names)))
        self.starts, self.started = dict.fromkeys(names, 1), dict.fromkeys(names, 1000.0)
        self.clock = Clock()
        self.clock.now = 9000.0
        self.looks = dict.fromkeys(names, API_KNOWS)  # at what a machine says since its last start
        self.off, self.fails, self.silent = set(), set(), set()
        self.applied = []
        self.serving = []  # at each apply

    def find(self, path):
        """Nothing: the masters have not said how far a release is."""

    def observe(self, definition):
        self.looks = {name: looks + 1 for name, looks in self.looks.items()}
        return tuple(
            Observed(name, name not in self.off, "10.20.0.1", self.console(name), started=self.started[name])
            for name in self.starts
        )

    def console(self, name):
        def said(start, ready):
            boot = f"anywhere: stage=boot t=5.{start}\n"
            return boot + (f"anywhere: stage=ready t=10.{start} release={RELEASE}\n" if ready else "")

        if name in self.silent:
            return ""
        start, new = self.starts[name], self.looks[name] > COMES_BACK // 2
        before = "".join(said(number, ready=True) for number in range(1, start))
        return before + (said(start, ready=self.says_ready(name)) if new else "")

    def says_ready(self, name):
        return self.looks[name] >= COMES_BACK and name not in self.off | self.fails

    def is_ready(self, name):
        return self.says_ready(name) and ("etcd" in name or self.looks[name] >= API_KNOWS)

    def nodes(self):
        boots = {n: s if self.looks[n] >= API_KNOWS else s - 1 for n, s in self.starts.items()}
        return tuple(Node(n, n not in self.fails, "", "v1", "", str(b)) for n, b in boots.items() if "etcd" not in n)

    def pause(self, seconds):
        self.clock.sleep(seconds)

    def close(self):
        pass

    def init(self):
        pass

    def check_remote_state(self, name):
        pass

    def outputs(self):
        return {"api": "https://10.20.1.10:6443"}

    def plan(self, values, targets=()):
        found = ((a, action) for a, action in self.left.items() if not targets or a in (*targets, "documents"))
        return Plan(Path("plan"), tuple(Change(*change) for change in found), (), False)

    def apply(self, plan, values):
        self.serving.append({name for name in self.starts if self.is_ready(name)})
        self.applied.append([change.address for change in plan.changes])
        for change in plan.changes:
            del self.left[change.address]
            if change.resource == self.addresses.machine:
                name = change.key
                self.starts[name] = self.starts.get(name, 0) + 1
                self.looks[name], self.started[name] = 0, self.clock.now
                self.off.discard(name)


@pytest.fixture
def roll(monkeypatch):
    """Have all that a world's plan asks for applied as `anywhere apply` does; the work and the turns."""
    monkeypatch.setattr(kubeconfig, "write", lambda *args: Path("kubeconfig"))

    def run(world, timeout=600):
        monkeypatch.setattr(cluster_api, "client", lambda path: world)
        for module in (patience, rollout):
            monkeypatch.setattr(module, "time", world.clock)
        project = SimpleNamespace(definition=None, provider=world, release=RELEASE, name="c")
        work = Workspace(project, None, world.topology, Known({}, {}, new=False), world, {})
        whole = work.terraform.plan({})
        taken = rollout.batches(work, whole)
        rest = rollout.run(work, whole, taken, show(io.StringIO()), [], timeout)
        work.terraform.apply(rest, {})
        return taken

    return run


THREE = ("etcd1", "etcd2", "etcd3", "master1", "worker1")


def test_each_is_taken_once_all_others_are_ready(roll):
    names = ("master1", "etcd1", "etcd2")
    world = World(THREE, updated(*names) | {"documents": "update", "aws_lb.api": "update"})
    roll(world)
    first, *others = ([address(name)] for name in names)
    assert world.applied == [[*first, "documents"], *others, ["aws_lb.api"]]
    assert all(serving == set(THREE) for serving in world.serving)


def test_what_is_of_a_machine_goes_with_it(roll):
    attachment = address("etcd1", "aws_volume_attachment.etcd")
    world = World(THREE, updated("etcd1", "etcd2") | {attachment: "update"})
    roll(world)
    assert world.applied[0] == [address("etcd1"), attachment]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"aws_s3_object.document": "update"},
        {address(name, "aws_subnet.machine"): "update" for name in THREE},
        {address("worker1"): "update"},
        {address(name): "create" for name in THREE},
        {address("etcd1"): "replace"},
    ],
)
def test_what_stops_no_machine_in_place_is_applied_as_one(roll, changes):
    world = World(THREE, changes)
    assert roll(world) == () and world.applied == [list(changes)]


def test_the_only_machine_of_a_control_plane_waits_for_no_other(roll):
    assert roll(World(("master1", "worker1"), updated("master1"))) == ()


def test_a_cluster_that_never_was_up_has_nothing_to_lose(roll, monkeypatch):
    monkeypatch.setattr(World, "outputs", lambda self: {})
    assert roll(World(THREE, updated("etcd1", "etcd2"))) == ()


def test_machines_that_are_off_are_started_at_once(roll):
    world = World(THREE, updated(*THREE[:4]))
    world.off = set(THREE)
    assert roll(world) == () and len(world.applied) == 1


def test_what_is_off_or_missing_is_brought_up_before_another_is_stopped(roll):
    started = address("etcd3", "aws_ec2_instance_state.running")
    world = World(THREE, updated("etcd1", "etcd2") | {started: "update", "aws_lb.api": "update"})
    world.off = {"etcd3"}
    start = World.apply

    def apply(plan, values):
        if started in [change.address for change in plan.changes]:
            world.off, world.looks["etcd3"] = set(), 0
            world.starts["etcd3"], world.started["etcd3"] = 2, world.clock.now
        start(world, plan, values)

    world.apply = apply
    roll(world)
    assert [found[0] for found in world.applied] == [started, address("etcd1"), address("etcd2"), "aws_lb.api"]
    assert all(serving == set(THREE) for serving in world.serving[1:])


def test_one_that_ails_comes_first_and_is_not_waited_for_until_then(roll):
    world = World(THREE, updated("etcd1", "etcd2"))
    world.fails = {"etcd2"}
    mend = World.apply

    def apply(plan, values):
        world.fails.clear()
        mend(world, plan, values)

    world.apply = apply
    assert [batch.machines for batch in roll(world)] == [("etcd2",), ("etcd1",)]
    assert world.serving[1] == set(THREE)


def test_where_etcd_has_no_quorum_those_that_ail_are_mended_together(roll):
    world = World(THREE, updated("etcd1", "etcd2", "etcd3"))
    world.fails = {"etcd1", "etcd3"}
    mend = World.apply

    def apply(plan, values):
        world.fails.clear()
        mend(world, plan, values)

    world.apply = apply
    assert [batch.machines for batch in roll(world)] == [("etcd1", "etcd3"), ("etcd2",)]
    assert world.serving[1] == set(THREE)


def test_where_etcd_has_a_quorum_those_that_ail_are_mended_one_at_a_time(roll):
    names = tuple(f"etcd{number}" for number in range(1, 6))
    world = World(names, updated(*names[:3]))
    world.fails = {"etcd2", "etcd3"}
    mend = World.apply

    def apply(plan, values):
        world.fails -= {change.key for change in plan.changes}
        mend(world, plan, values)

    world.apply = apply
    assert [batch.machines for batch in roll(world)] == [("etcd2",), ("etcd3",), ("etcd1",)]
    assert [len(serving) for serving in world.serving] == [4, 5, 5, 5]


def test_one_that_does_not_come_back_stops_the_roll_and_the_same_command_goes_on(roll):
    world = World(THREE, updated("etcd1", "etcd2", "master1"))
    apply = World.apply

    def break_it(plan, values):
        apply(world, plan, values)
        world.fails = {"etcd1"}

    world.apply = break_it
    with pytest.raises(UserError) as caught:
        roll(world)
    assert caught.value.message.startswith("etcd1 did not come back as it should.")
    assert caught.value.hint.startswith("Not touched yet: etcd2, master1. The same command goes on from there.")
    assert set(world.left) == {address("etcd2"), address("master1")}
    with pytest.raises(UserError, match="No machine is stopped while the control plane is not well"):
        roll(world)
    assert len(world.applied) == 1
    world.fails, world.apply = set(), lambda plan, values: apply(world, plan, values)
    roll(world)
    assert world.left == {} and all(serving == set(THREE) for serving in world.serving)


@pytest.mark.parametrize("silent", [set(), {"etcd1"}])
def test_an_interrupted_roll_waits_for_what_it_had_started(roll, silent):
    world = World(THREE, updated("etcd1", "etcd2"))
    usual = world.observe

    def interrupt(definition):
        if world.applied:
            raise KeyboardInterrupt
        return usual(definition)

    world.observe = interrupt
    with pytest.raises(KeyboardInterrupt):
        roll(world)
    world.observe, world.silent = usual, silent
    roll(world)
    assert len(world.applied) == 3 and all(serving == set(THREE) for serving in world.serving)


def test_one_that_is_started_and_not_heard_of_is_waited_for(roll):
    world = World(THREE, updated("etcd1", "etcd2"))
    apply = World.apply

    def silence(plan, values):
        apply(world, plan, values)
        world.silent = {"etcd1"}

    world.apply = silence
    with pytest.raises(UserError, match=r"(?s)etcd1 did not come back.*has not reported anything since"):
        roll(world)


def test_one_that_is_updated_without_a_start_is_not_waited_for(roll):
    world = World(THREE, updated("etcd1", "etcd2"))
    world.apply = lambda plan, values: [world.left.pop(change.address) for change in plan.changes]
    roll(world)
    assert world.left == {}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({address("master1"): "replace"}, "More has to change now than you approved"),
        ({address("etcd1"): "update"}, "More has to change now than you approved"),
        ({'aws_ebs_volume.etcd["etcd3"]': "delete"}, "destroys what etcd holds on etcd3"),
    ],
)
def test_what_nobody_agreed_to_is_not_applied(roll, more, said):
    world = World(THREE, updated("etcd1", "etcd2"))
    apply = World.apply

    def find_more(plan, values):
        apply(world, plan, values)
        if not world.left:
            world.left = dict(more)

    world.apply = find_more
    with pytest.raises(UserError, match=said):
        roll(world)
    assert world.applied == [[address("etcd1")], [address("etcd2")]]


@pytest.mark.parametrize(("more", "action"), [(address("master1"), "update"), ("aws_lb.api", "replace")])
def test_a_batch_that_grew_since_it_was_agreed_to_is_not_applied(roll, more, action):
    world = World(THREE, updated("etcd1", "etcd2"))
    whole = world.plan

    def grow(values, targets=()):
        plan = whole(values, targets)
        return replace(plan, changes=(*plan.changes, Change(more, action))) if targets else plan

    world.plan = grow
    with pytest.raises(UserError, match="More has to change now than you approved"):
        roll(world)
    assert world.applied == []


def test_a_plan_says_which_machines_are_taken_one_at_a_time(roll):
    world = World(THREE, updated("etcd1", "etcd2"))
    planned = Review(world.plan({}), ())
    shown = text(planned, rollout.describe(roll(world)))
    assert shown.splitlines()[-1].startswith("The control plane's machines are taken one at a time")
    assert shown.endswith("etcd1, etcd2.") and text(planned, rollout.describe(())).endswith("2 to update.")
