"""The definition and its lock against what was applied: what never changes is refused, and what is not seen is said."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from generator import applied, git
from generator import lock as locks
from generator import source as sources
from generator.applied import FieldChange, Fields
from generator.errors import UserError
from generator.operations import version_guard
from generator.operations.project import Project
from generator.operations.workspace import Workspace
from generator.schema.changes import NEVER, NEW
from generator.source import Keys, Source, shown

POOL_LABEL = "node.kubernetes.io/pool"
_INSTANCE = "delete a worker's instance, and its group starts another"


@dataclass(frozen=True, slots=True)
class Notice:
    """What a plan says of a changed field, since Terraform does not: that machines keep what they have, for one."""

    field: str
    text: str


def check(workspace: Workspace, *, allow_downgrade: bool = False) -> tuple[Notice, ...]:
    """What there is to say of the fields that change. UserError where one of them never can.

    Nothing is compared before the first apply, and where an older version of anywhere applied.
    """
    project, before = workspace.project, recorded(workspace)
    if version := before.get("spec.kubernetes.version"):
        version_guard.check(project, version, "that was applied", "apply", allow_downgrade=allow_downgrade)
    wanted = applied.fields(project.definition, workspace.lock, project.provider.name)
    changes = applied.compare(before, wanted, project.provider.name)
    if never := [change for change in changes if change.effect == NEVER]:
        raise _refusal(project, never)
    return tuple(Notice(c.path, _said(workspace, c)) for c in changes if c.note)


def recorded(workspace: Workspace) -> Fields:
    """The fields as they were last applied; none before the first apply."""
    text = workspace.terraform.outputs().get("applied")
    return json.loads(text) if text else {}


def _refusal(project: Project, changes: list[FieldChange]) -> UserError:
    lock = locks.path_beside(project.definition.path)
    paths = {change.of_lock: lock if change.of_lock else project.definition.path for change in changes}
    places = {of_lock: _places(path) for of_lock, path in paths.items()}
    where = "Put back what was applied"
    if True in paths:
        where += f"; the lock from git: {git.checkout(lock, 'COMMIT')}"
    lines = [
        line
        for note, alike in groupby(changes, key=lambda change: change.note)
        for line in (*(_line(places[change.of_lock](change.path), change) for change in alike), note)
    ]
    return UserError(
        "\n".join(filter(None, lines)),
        f"Nothing was changed. {where}. Another value takes a new cluster: a copy of the definition with another"
        " metadata.name.",
    )


def _line(place: str, change: FieldChange) -> str:
    values = f"{shown(change.before)} was applied, and cannot become {shown(change.after)}"
    return f"{place}: {change.path}: {values}."


def _places(path: Path) -> Callable[[str], str]:
    """Field -> its file and line; the file alone where there is no lock."""
    if not path.exists():
        return lambda field: str(path)
    source = sources.read(path)
    return lambda field: f"{path}:{source.line(_keys(source, field))}"


def _keys(source: Source, path: str) -> Keys:
    """Where a field stands in its file: `spec.workers[general].size` may be `spec.workers.size` there."""
    match re.findall(r"[^.\[\]]+", path.removeprefix("lock.")):
        case "spec", "workers", name, *rest:
            pools = source.value["spec"]["workers"]
            index = (
                [index for index, pool in enumerate(pools) if pool["name"] == name] if isinstance(pools, list) else []
            )
            return ("spec", "workers", *index, *rest)
        case keys:
            return tuple(keys)


def _said(workspace: Workspace, change: FieldChange) -> str:
    remedy = REMEDIES.get(change.field, _replace)(workspace, change) if change.effect == NEW else ""
    said = f"{change.note} ({remedy})" if remedy else change.note
    if not (isinstance(change.before, str | int) and isinstance(change.after, str | int)):  # a list may be long
        return said
    return f"{shown(change.before)} -> {shown(change.after)}; {said}"


def _replace(workspace: Workspace, change: FieldChange) -> str:
    """How machines that keep a value are made anew."""
    project, pool = workspace.project, _pool(change)
    machines = [m for m in workspace.topology.machines if not pool or m.pool == pool]
    known = [m.name for m in machines if m.role != "worker" or not project.provider.manages_workers]
    ways = []
    if known:
        folder, address = _relative(project.folder), f'{project.provider.addresses.machine}["{known[0]}"]'
        binary = workspace.terraform.binary.path.name
        taint = f"{binary} -chdir={shlex.quote(str(folder))} taint {shlex.quote(address)}"
        ways.append(f"run `{taint}`, then `anywhere apply`")
    if len(known) < len(machines):
        ways.append(_INSTANCE)
    return f"to replace them one by one, {'; '.join(ways)}" if ways else ""


def _replace_workers(workspace: Workspace, change: FieldChange) -> str:
    return f"to replace them one by one, {_INSTANCE}"


def _nothing(workspace: Workspace, change: FieldChange) -> str:
    return ""


def _pool(change: FieldChange) -> str:
    """The pool that a field is of, "" where it is of all machines."""
    return change.path.partition("[")[2].partition("]")[0]


def _relative(folder: Path) -> Path:
    """As short as a person would write it."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder


REMEDIES: Mapping[str, Callable[[Workspace, FieldChange], str]] = {
    "spec.workers[].count": _nothing,
    "providers.aws.sizes": _replace_workers,
    "providers.gce.sizes": _replace_workers,
}
