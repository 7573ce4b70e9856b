"""`anywhere plan`: what apply would change."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from generator.cli import pasteable
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
Offline = Annotated[
    bool, typer.Option("--offline", help="Plan a new cluster, without credentials and without a state.")
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
    offline: Offline = False,
    allow_downgrade: AllowDowngrade = False,
) -> int:
    """Show what apply would change, including failed machines."""
    from generator.cli import plan_view
    from generator.cli.phases import show
    from generator.operations import folder_lock, offline_plan, steps
    from generator.operations.plan import STEPS, Plan, remarks
    from generator.operations.project import open_project

    if as_json and markdown:
        raise UserError("--json and --markdown cannot be given together.", "Choose one of them.")
    if offline and save:
        raise UserError("--offline and --save cannot be given together.", "A plan that asked nobody is not applied.")
    project = open_project(file, provider, out)
    if offline:
        review, said = offline_plan.plan(project, show()), offline_plan.REMARKS
    else:
        with folder_lock.hold(project, "plan"):
            done = steps.run(STEPS, Plan(project, show(), may_destroy, save, frozen, allow_downgrade))
        review, said = done.review, remarks(done)
    if as_json:
        pasteable.say(plan_view.document(review, said))
    elif markdown:
        pasteable.say(plan_view.markdown(review, f"Plan for cluster {project.name} on {project.provider.name}", said))
    else:
        plan_view.show(review, "\n".join(said))
    return CHANGES if detailed_exitcode and not review.plan.empty else 0
