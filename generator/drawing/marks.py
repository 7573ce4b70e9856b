"""What a plan does to each machine of a picture, from what `plan --json` prints. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from pydantic import BaseModel, ValidationError

from generator.drawing.diagram import MARKED, POOL, Area, Card, Diagram, Legend
from generator.errors import UserError
from generator.release_changes import EVERY_MACHINE
from generator.terraform import Change

CREATED, CHANGED, REPLACED, DESTROYED = MARKED
# Terraform's actions on what a machine is made of; all else only changes it.
_ACTIONS = {"create": CREATED, "replace": REPLACED, "delete": DESTROYED}
MEANINGS = {CREATED: "created", CHANGED: "changed", REPLACED: "destroyed and created again", DESTROYED: "destroyed"}
GONE = "Not in the definition any more"


class _Item(BaseModel):
    subject: str
    effect: str


class _Section(BaseModel):
    title: str
    machines: tuple[str, ...]
    items: tuple[_Item, ...]


class _Change(BaseModel):
    address: str
    action: str


class _Plan(BaseModel):
    changes: tuple[_Change, ...]
    sections: tuple[_Section, ...]


@dataclass(frozen=True, slots=True)
class Made:
    """The Terraform resources that machines and groups of workers are; "" for groups where there are none."""

    machine: str
    pool: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a plan does: a mark for each machine and group, by key, and how many changes are of none of them.

    `resources` are all that it changes.
    """

    marks: Mapping[str, str]
    others: int
    everywhere: bool
    resources: frozenset[str]


def read(text: str, file: str, made: Made) -> Plan:
    """The plan that was written to `file`; UserError where `text` is none."""
    try:
        plan = _Plan.model_validate_json(text)
    except ValidationError:
        raise UserError(
            f"{file} has no plan as JSON.", "Write one: `anywhere plan --json`, with its output to that file."
        ) from None
    changes = [Change(change.address, change.action) for change in plan.changes]
    groups = {f"worker-{change.key}": _mark(change.action) for change in changes if change.resource == made.pool}
    marks = {name: _of_section(section, made) for section in plan.sections for name in _keys(section)}
    of_machines = {name for section in plan.sections for name in section.machines}
    others = [each for each in changes if each.resource != made.pool and each.key not in of_machines]
    everywhere = any(section.title == EVERY_MACHINE for section in plan.sections)
    return Plan({**marks, **groups}, len(others), everywhere, frozenset(change.resource for change in changes))


def _keys(section: _Section) -> Iterator[str]:
    """The machines of a section; a group of workers is called as a worker of it whose number nobody knows."""
    return (name.removesuffix("-?") for name in section.machines)


def _of_section(section: _Section, made: Made) -> str:
    """What becomes of machines with these lines: of the machine itself first, else of what is lost with a disk."""
    own = [_mark(item.effect) for item in section.items if item.subject == made.machine]
    if own and own[0] != CHANGED:
        return own[0]
    lost = any(_mark(item.effect) in (REPLACED, DESTROYED) for item in section.items)
    return REPLACED if lost else CHANGED


def _mark(action: str) -> str:
    return _ACTIONS.get(action, CHANGED)


def mark(diagram: Diagram, plan: Plan) -> Diagram:
    """The picture with what the plan does to each machine. What it destroys and the definition lacks comes last.

    UserError where the plan makes or changes machines that are not in the picture: it is of something else.
    """
    known = {card.key for card in diagram.cards}
    gone = {key: found for key, found in plan.marks.items() if key not in known}
    if strange := sorted(key for key, found in gone.items() if found != DESTROYED):
        raise UserError(
            f"The plan is of another cluster, or of another state of the definition: it has {', '.join(strange)}.",
            "Plan again: `anywhere plan --json`.",
        )
    usual = CHANGED if plan.everywhere else ""
    areas = tuple(
        replace(area, cards=tuple(replace(card, mark=plan.marks.get(card.key, usual)) for card in area.cards))
        for area in diagram.areas
    )
    cards = tuple(Card(key, key, _role(key), (), mark=found) for key, found in gone.items())
    if cards:
        areas = (*areas, Area(POOL, GONE, cards))
    return replace(diagram, areas=areas, legend=_legend(plan))


def _role(key: str) -> str:
    """The role in a machine's name: `etcd1`, `master1`, `worker-general-1`."""
    return next((role for role in ("etcd", "master") if key.startswith(role)), "worker")


def _legend(plan: Plan) -> Legend:
    if plan.marks or plan.everywhere:
        return Legend(MEANINGS, _others(plan.others))
    return Legend({}, f"The plan changes no machine. {_others(plan.others)}".strip())


def _others(number: int) -> str:
    """What the picture does not show, in a sentence."""
    if number == 1:
        return "1 change of the plan belongs to no machine."
    return f"{number} changes of the plan belong to no machine." if number else ""
