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
    from generator.operations import rollout, steps
    from generator.operations.plan import STEPS, Plan
    from generator.operations.project import open_project

    done = steps.run(STEPS, Plan(open_project(file, provider, out), show(), may_destroy))
    if as_json:
        typer.echo(document(done.plan))
    else:
        typer.echo(summary(done.plan, rollout.describe(rollout.batches(done.workspace, done.plan))))
    return CHANGES if detailed_exitcode and not done.plan.empty else 0
