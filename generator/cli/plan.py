"""`anywhere plan`: what apply would change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from generator.cli.options import DEFAULT_FILE, DEFAULT_PROVIDER, File, Json, Out, ProviderName
from generator.operations.destroy_guard import MayDestroy

if TYPE_CHECKING:
    from generator.terraform import Change, Plan

SYMBOLS = {"create": "+", "update": "~", "replace": "±", "delete": "-", "move": ">", "import": "<", "forget": "."}
PAST = {"create": "to create", "update": "to update", "replace": "to replace", "delete": "to destroy"}
CHANGES = 2

DetailedExitcode = Annotated[
    bool, typer.Option("--detailed-exitcode", help="Exit 2 where there are changes, 0 where there are none.")
]


def run(
    file: File = DEFAULT_FILE,
    provider: ProviderName = DEFAULT_PROVIDER,
    out: Out = None,
    as_json: Json = False,
    detailed_exitcode: DetailedExitcode = False,
    may_destroy: MayDestroy = [],  # noqa: B006 (typer copies it)
) -> int:
    """Show what apply would change, dead machines too."""
    from generator import pki
    from generator.cli.phases import show
    from generator.operations import rollout, workspace
    from generator.operations.project import open_project

    phases = show()
    project = open_project(file, provider, out)
    work = workspace.rendered(project, phases, pki.ANY_AGE)  # a token that aged is no change
    workspace.preflight(work, phases)
    planned = workspace.planned(work, phases, may_destroy)
    typer.echo(document(planned) if as_json else summary(planned, rollout.announce(rollout.order(work, planned))))
    return CHANGES if detailed_exitcode and not planned.empty else 0


def summary(plan: Plan, remark: str = "") -> str:
    """A plan for a person, with a last line about it."""
    lines = [f"  ! {change.address} is not as it was left ({change.action})" for change in plan.drift]
    lines += [f"  {SYMBOLS.get(change.action, '?')} {change.address}" for change in plan.changes]
    return "\n".join([*lines, verdict(plan), *([remark] if remark else [])])


def verdict(plan: Plan) -> str:
    """A plan in one line."""
    if plan.empty:
        return "No changes: everything is as the definition wants it."
    counts = plan.counts()
    said = [f"{number} {PAST.get(action, action)}" for action, number in counts.items()]
    return "Plan: " + (", ".join(said) if said else "only outputs change") + "."


def document(plan: Plan) -> str:
    """A plan for a machine."""
    import json
    from dataclasses import asdict

    def listed(changes: tuple[Change, ...]) -> list[dict[str, str]]:
        return [asdict(change) for change in changes]

    return json.dumps(
        {"changes": listed(plan.changes), "drift": listed(plan.drift), "counts": plan.counts(), "empty": plan.empty},
        indent=2,
    )
