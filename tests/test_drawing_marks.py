"""What a plan does to the machines of a picture."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import providers
from generator.cli import plan_view
from generator.drawing import marks, svg
from generator.drawing.diagram import MARKED
from generator.drawing.marks import GONE, Made
from generator.errors import UserError
from generator.operations import drawing
from generator.operations.review import Item, Review, Section
from generator.release_changes import CLUSTER, EVERY_MACHINE
from generator.terraform import Change, Plan
from tests import pictures

MACHINE, POOL, DISK = "aws_instance.machine", "aws_autoscaling_group.pool", "aws_ebs_volume.etcd"
MADE = Made(MACHINE, POOL)


def said(sections=(), changes=()):
    """What `plan --json` prints of these."""
    plan = Plan(Path("plan"), tuple(Change(*each) for each in changes), (), False)
    return plan_view.document(Review(plan, tuple(Section(*each) for each in sections)))


def section(names, *items):
    return ", ".join(names), tuple(names), tuple(Item(subject, (), effect) for subject, effect in items)


def of(sections=(), changes=()):
    return marks.read(said(sections, changes), "plan.json", MADE)


def marked(plan, example="star-wars", target="aws"):
    return marks.mark(pictures.diagram(example, target), plan)


@pytest.mark.parametrize(
    ("items", "mark"),
    [
        (((DISK, "create"), (MACHINE, "create")), "+"),
        (((MACHINE, "delete"), (DISK, "delete")), "-"),
        (((MACHINE, "replace"),), "±"),
        (((DISK, "replace"),), "±"),
        (((MACHINE, "update"),), "~"),
        ((("kube-apiserver", "restarted"),), "~"),
        ((("kubelet", ""),), "~"),
    ],
)
def test_what_becomes_of_a_machine(items, mark):
    assert of([section(["etcd1", "etcd2"], *items)]).marks == {"etcd1": mark, "etcd2": mark}


def test_a_group_of_workers_is_changed_as_a_whole_or_in_its_workers():
    changes = [(f'{POOL}["a"]', "create"), (f'{POOL}["b"]', "update"), (f'{POOL}["c"]', "delete")]
    plan = of([section(["worker-d-?"], ("kubelet", "restarted"))], changes)
    assert plan.marks == {"worker-a": "+", "worker-b": "~", "worker-c": "-", "worker-d": "~"} and plan.others == 0


def test_machines_have_the_marks_of_the_plan_and_others_have_none():
    found = marked(of([section(["master1"], (MACHINE, "replace"))]))
    assert {card.key: card.mark for card in found.cards if card.mark} == {"master1": "±"}
    assert [*found.legend.marks] == [*MARKED] and found.legend.remark == ""


def test_what_changes_on_every_machine_marks_them_all():
    sections = [section(["master1"], (MACHINE, "create")), (EVERY_MACHINE, (), (Item("debian", (), ""),))]
    assert {card.mark for card in marked(of(sections)).cards if card.key != "master1"} == {"~"}


def test_what_the_plan_destroys_and_the_definition_lacks_is_shown_last():
    plan = of([section(["etcd5"], (MACHINE, "delete"))], [(f'{POOL}["old"]', "delete")])
    last = marked(plan).areas[-1]
    assert last.title == GONE
    assert [(card.key, card.role, card.mark) for card in last.cards] == [
        ("etcd5", "etcd", "-"),
        ("worker-old", "worker", "-"),
    ]


@pytest.mark.parametrize(
    ("number", "remark"),
    [(0, ""), (1, "1 change of the plan belongs to no machine."), (2, "2 changes of the plan belong to no machine.")],
)
def test_the_legend_counts_what_is_no_machines(number, remark):
    others = [(f"aws_vpc.x{index}", "create") for index in range(number)]
    shared = (CLUSTER, (), tuple(Item(address, (), action) for address, action in others))
    changes = [(f'{MACHINE}["master1"]', "create"), *others]
    plan = of([section(["master1"], (MACHINE, "create")), shared], changes)
    assert marked(plan).legend.remark == remark


def test_a_plan_that_is_empty_says_so():
    legend = marked(of()).legend
    assert (legend.marks, legend.remark) == ({}, "The plan changes no machine.")


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"changes": 1, "sections": []}', "No changes."])
def test_what_is_no_plan_is_refused(text):
    with pytest.raises(UserError, match=r"^plan.json has no plan as JSON\.$") as caught:
        marks.read(text, "plan.json", MADE)
    assert "`anywhere plan --json`" in caught.value.hint


def test_a_plan_of_another_cluster_is_refused():
    with pytest.raises(UserError, match=r"it has master2, worker-gpu\.$"):
        marked(of([section(["master2", "worker-gpu-?"], (MACHINE, "create"))]))


def test_a_plan_of_another_target_is_refused_though_names_are_the_same():
    text = said([section(["master1"], (MACHINE, "create"))], [(f'{MACHINE}["master1"]', "create")])
    with pytest.raises(UserError, match="The plan is for aws"):
        drawing.draw_plan(pictures.load("star-wars", "local"), text, "plan.json")
    found = drawing.draw_plan(pictures.load("star-wars", "aws"), text, "plan.json")
    assert [card.mark for card in found.cards if card.key == "master1"] == ["+"]


@pytest.mark.parametrize("target", providers.NAMES)
def test_resources_of_machines_and_groups_are_those_of_the_module(target):
    module = "".join(path.read_text() for path in (pictures.ROOT / "modules" / target).glob("*.tf"))
    provider = providers.load(target)
    made = [provider.addresses.machine, *([provider.addresses.pool] if provider.manages_workers else [])]
    assert all('resource "{}" "{}"'.format(*address.split(".")) in module for address in made)
    assert bool(provider.addresses.pool) == provider.manages_workers


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("which", [0, 1], ids=["light", "dark"])
def test_texts_can_be_read_on_what_they_stand_on(which):
    fills = {name: pair[which] for name, pair in svg._FILLS.items()}
    edges = {name: pair[which] for name, pair in svg._STROKES.items()}
    places = ("paper", "network", "area", "zone", "card", "clients", "entry", "pods", *MARKED.values())
    pairs = [(fills[text], fills[place]) for text in ("text", "muted") for place in places]
    pairs += [(fills["on-chip"], fills[name]) for name in fills if name.startswith("runs-")]
    pairs += [(fills["on-mark"], edges[name]) for name in MARKED.values()]
    assert min(contrast(*pair) for pair in pairs) >= 4.5


def test_a_plan_of_an_empty_file_of_an_older_version_may_have_more_keys():
    more = {**json.loads(said()), "unheard": 1}
    assert marks.read(json.dumps(more), "plan.json", MADE).marks == {}


def test_marks_do_not_move_what_is_not_marked():
    plain = pictures.diagram("star-wars", "aws")
    assert replace(marks.mark(plain, of()), legend=plain.legend) == plain
