"""`anywhere plan`: what apply would change."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from generator.cli.options import (
    DEFAULT_FILE,
    DEFAULT_PROVIDER,
    AllowDowngrade,
    File,
    Frozen,
    Json,
    MayDestroy,
    Out,
    ProviderName,
)
from generator.errors import UserError

CHANGES = 2

DetailedExitcode = Annotated[
    bool, typer.Option("--detailed-exitcode", help="Exit 2 where there are changes, 0 where there are none.")
]

Save = Annotated[
    Path | None,
    typer.Option("--save", metavar="PLAN", help="Also write the plan to this file, for `anywhere apply --plan`."),
]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print Markdown, for a pull request.")]


def run(
    file: File = DEFAULT_FILE,
    provider: ProviderName = DEFAULT_PROVIDER,
    out: Out = None,
    as_json: Json = False,
    markdown: Markdown = False,
    save: Save = None,
    detailed_exitcode: DetailedExitcode = False,
    may_destroy: MayDestroy = [],  # noqa: B006 (typer copies it)
    frozen: Frozen = False,
    allow_downgrade: AllowDowngrade = False,
) -> int:
    """Show what apply would change, dead machines too."""
    from generator.cli import plan_view
    from generator.cli.phases import show
    from generator.operations import folder_lock, steps
    from generator.operations.plan import STEPS, Plan, remarks
    from generator.operations.project import open_project

    if as_json and markdown:
        raise UserError("--json and --markdown cannot be given together.", "Choose one of them.")
    project = open_project(file, provider, out)
    with folder_lock.hold(project, "plan"):
        done = steps.run(STEPS, Plan(project, show(), may_destroy, save, frozen, allow_downgrade))
    if as_json:
        typer.echo(plan_view.document(done.review, remarks(done)))
    elif markdown:
        title = f"Plan for cluster {project.name} on {project.provider.name}"
        typer.echo(plan_view.markdown(done.review, title, remarks(done)))
    else:
        plan_view.show(done.review, "\n".join(remarks(done)))
    return CHANGES if detailed_exitcode and not done.plan.empty else 0
