"""Whether the target can hold the cluster, checked before anything is changed."""

from __future__ import annotations

from collections.abc import Sequence

from generator.errors import UserError
from generator.operations.workspace import Workspace
from generator.progress import Progress
from providers import Check


def failures(workspace: Workspace, progress: Progress) -> tuple[Check, ...]:
    """The failed checks that an apply cannot do without. Every failed check is shown as a warning. Changes nothing."""
    provider, definition = workspace.project.provider, workspace.project.definition
    failed = [check for check in provider.preflight(definition, workspace.topology) if not check.ok]
    for check in failed:
        progress.note(f"warning: {check.subject}: {check.detail}. {check.hint}")
    return tuple(check for check in failed if check.needed)


def require(failed: Sequence[Check]) -> None:
    """UserError with a line for every check of `failed`, where there are any."""
    if len(failed) == 1:
        raise UserError(f"{failed[0].subject}: {failed[0].detail}.", failed[0].hint)
    if failed:
        lines = "\n".join(f"  {check.subject}: {check.detail}. {check.hint}" for check in failed)
        raise UserError(f"The target cannot hold this cluster:\n{lines}", "Nothing was changed.")
