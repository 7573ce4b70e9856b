"""A plan as whoever approves it wants to read it: by machine and component, with what changes inside. No secrets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from generator.operations import etcd_loss
from generator.operations.field_changes import Notice
from generator.operations.project import as_observed
from generator.operations.workspace import Workspace
from generator.release_changes import CLUSTER, EVERY_MACHINE, ComponentChange, Release, compare
from generator.terraform import Change, Plan

Details = Mapping[str, tuple[str, ...]]  # what changes inside resources, by address


@dataclass(frozen=True, slots=True)
class Item:
    """One line: a component or a Terraform resource, what changes of it, and what that does to it.

    `effect` is one of `release_changes`, or Terraform's action: create, update, replace, delete.
    """

    subject: str
    details: tuple[str, ...]
    effect: str


@dataclass(frozen=True, slots=True)
class Section:
    """The same lines for all of these machines; () stands for what belongs to no single machine, called `title`."""

    title: str
    machines: tuple[str, ...]
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Review:
    """A plan in sections. `notices` are about fields that change, and hold whatever Terraform plans."""

    plan: Plan
    sections: tuple[Section, ...]
    notices: tuple[Notice, ...] = ()


def review(workspace: Workspace, plan: Plan, notices: tuple[Notice, ...] = ()) -> Review:
    """What `plan` does, and what the release in the rendered folder changes of the one that was applied."""
    inside: tuple[ComponentChange, ...] = ()
    if not plan.empty and (before := _applied(workspace)):
        inside = compare(before, json.loads((workspace.project.folder / "documents" / "release.json").read_bytes()))
    details = workspace.terraform.details(plan)
    sections = (*_machines(workspace, plan, inside, details), *_shared(workspace, plan, inside, details))
    return Review(plan, sections, (*notices, *etcd_loss.notices(workspace, plan)))


def of_destroy(plan: Plan) -> Review:
    """A plan that destroys everything: nothing changes inside."""
    items = tuple(_resource(change, change.address, {}) for change in plan.changes)
    return Review(plan, (Section(CLUSTER, (), items),) if items else ())


def _applied(workspace: Workspace) -> Release | None:
    """The release that the state says was applied; None before the first apply, and by an older version of anywhere."""
    text = workspace.terraform.outputs().get("release")
    return json.loads(text) if text else None


def _machines(
    workspace: Workspace, plan: Plan, inside: tuple[ComponentChange, ...], details: Details
) -> Iterator[Section]:
    """A section for each set of neighbours with the same lines."""
    shown = as_observed(workspace.project, workspace.topology)
    scopes = {machine.name: (machine.role, machine.group) for machine in shown.machines}
    sections: list[Section] = []
    for name in _names(workspace, plan):
        own = [change for change in plan.changes if change.key == name]
        lines = [_resource(change, change.resource, details) for change in own]
        machine = workspace.project.provider.addresses.machine
        kept = not any(c.resource == machine and c.action in ("create", "replace", "delete") for c in own)
        if kept:  # others start with the new release
            lines += [_item(change) for change in inside if change.scope in scopes.get(name, ())]
        if not lines:
            continue
        same = sections.pop().machines if sections and sections[-1].items == tuple(lines) else ()
        machines = (*same, name)
        sections.append(Section(", ".join(machines), machines, tuple(lines)))
    yield from sections


def _shared(
    workspace: Workspace, plan: Plan, inside: tuple[ComponentChange, ...], details: Details
) -> Iterator[Section]:
    """What belongs to no single machine."""
    machines = set(_names(workspace, plan))
    resources = tuple(_resource(c, c.address, details) for c in plan.changes if c.key not in machines)
    for scope, more in ((EVERY_MACHINE, ()), (CLUSTER, resources)):
        if items := (*(_item(change) for change in inside if change.scope == scope), *more):
            yield Section(scope, (), items)


def _names(workspace: Workspace, plan: Plan) -> list[str]:
    """The machines of the definition, then those that only the plan knows, as it destroys them."""
    names = [machine.name for machine in as_observed(workspace.project, workspace.topology).machines]
    resource = workspace.project.provider.addresses.machine
    return list(dict.fromkeys([*names, *(c.key for c in plan.changes if c.resource == resource and c.key)]))


def _item(change: ComponentChange) -> Item:
    return Item(change.component, change.details, change.effect)


def _resource(change: Change, subject: str, details: Details) -> Item:
    return Item(subject, details.get(change.address, ()), change.action)
