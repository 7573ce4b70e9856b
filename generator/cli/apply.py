"""`anywhere apply`: from a definition to a running cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from generator.cli import pasteable
from generator.cli.options import (
    DEFAULT_FILE,
    DEFAULT_PROVIDER,
    AllowDowngrade,
    File,
    Frozen,
    MayDestroy,
    Out,
    ProviderName,
    Timeout,
    Yes,
)

if TYPE_CHECKING:
    from generator.status import Row

SavedPlan = Annotated[
    Path | None,
    typer.Option("--plan", metavar="PLAN", help="Apply this plan, which `anywhere plan --save` wrote, and no other."),
]


def run(
    file: File = DEFAULT_FILE,
    provider: ProviderName = DEFAULT_PROVIDER,
    out: Out = None,
    yes: Yes = False,
    may_destroy: MayDestroy = [],  # noqa: B006 (typer copies it)
    timeout: Timeout = 1800,
    plan: SavedPlan = None,
    frozen: Frozen = False,
    allow_downgrade: AllowDowngrade = False,
) -> int:
    """Create or change the cluster; wait until it works."""
    from generator.cli import plan_view
    from generator.cli.approval import confirm, require_terminal
    from generator.cli.phases import show
    from generator.operations import folder_lock, lock_file, saved_plan, steps
    from generator.operations.apply import STEPS, Apply
    from generator.operations.project import open_project

    project = open_project(file, provider, out)
    if not (yes or lock_file.known(project)):
        require_terminal()  # a first apply asks in any case, and takes long before that
    apply = Apply(
        project,
        show(),
        may_destroy,
        timeout,
        show=plan_view.show,
        approve=lambda question: confirm(question, yes),
        saved=saved_plan.read(plan) if plan else None,
        frozen=frozen,
        allow_downgrade=allow_downgrade,
    )
    with folder_lock.hold(project, "apply"):
        steps.run(STEPS, apply)
    pasteable.say(finished(apply.ready.rows, apply.kubeconfig))
    return 0


def finished(rows: tuple[Row, ...], kubeconfig: Path) -> str:
    """The machines, and how to use the cluster."""
    import shlex

    from generator.cli.status_view import table

    use = f"  export KUBECONFIG={shlex.quote(str(kubeconfig))}\n  kubectl get nodes -o wide"
    return f"{table(rows)}\n\nThe cluster is ready. Use it:\n{use}"
