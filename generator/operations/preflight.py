"""Whether the target can hold the cluster, checked before anything is changed."""

from __future__ import annotations

from collections.abc import Sequence

from generator.errors import UserError
from generator.operations.project import Project
from generator.progress import Progress
from generator.topology import Topology
from providers import Check


def failures(project: Project, topology: Topology) -> tuple[Check, ...]:
    """Every failed check, also of what an apply could do without."""
    return tuple(check for check in project.provider.preflight(project.definition, topology) if not check.ok)


def needed(failed: Sequence[Check]) -> tuple[Check, ...]:
    """Those that an apply cannot do without."""
    return tuple(check for check in failed if check.needed)


def warn(failed: Sequence[Check], progress: Progress) -> None:
    for check in failed:
        progress.note(f"warning: {check.subject}: {check.detail}. {check.hint}")


def require(failed: Sequence[Check]) -> None:
    """UserError with a line for every check of `failed`, where there are any."""
    if len(failed) == 1:
        raise UserError(f"{failed[0].subject}: {failed[0].detail}.", failed[0].hint)
    if failed:
        lines = "\n".join(f"  {check.subject}: {check.detail}. {check.hint}" for check in failed)
        raise UserError(f"The target cannot hold this cluster:\n{lines}", "Nothing was changed.")
