"""`anywhere plan`: what apply would change."""

from __future__ import annotations

from typing import Annotated

import typer

from generator.cli.options import DEFAULT_FILE, DEFAULT_PROVIDER, File, Json, MayDestroy, Out, ProviderName

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
    from generator.cli.phases import show
    from generator.cli.plan_view import document, summary
    from generator.operations import folder_lock, rollout, steps
    from generator.operations.plan import STEPS, Plan
    from generator.operations.project import open_project

    project = open_project(file, provider, out)
    with folder_lock.hold(project, "plan"):
        done = steps.run(STEPS, Plan(project, show(), may_destroy))
        remark = rollout.describe(rollout.batches(done.workspace, done.plan))
    typer.echo(document(done.plan) if as_json else summary(done.plan, remark))
    return CHANGES if detailed_exitcode and not done.plan.empty else 0
