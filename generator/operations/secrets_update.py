"""Making or renewing the secrets of a target without an apply: for who plans first, and applies that plan elsewhere."""

from __future__ import annotations

import shlex

from generator.errors import UserError
from generator.operations import cluster_secrets, keeping, lock_file
from generator.operations.project import Project
from generator.pki import Renewal
from generator.progress import Progress


def run(project: Project, progress: Progress) -> bool:
    """Write the secrets and the lock that records them; whether anything changed. Images are not resolved.

    UserError where there is no lock, which records whose secrets they are.
    """
    known, lock = lock_file.known(project), lock_file.resolve_nothing(project, "it records the secrets")
    secrets = cluster_secrets.prepare(project, known, Renewal.ALL)
    lock = cluster_secrets.recorded(lock, secrets, project.provider.name)
    files = keeping.unkept(project, known, lock, secrets)
    if files:
        keeping.keep(project, known, lock, secrets, progress)
    return bool(files)


def command(project: Project) -> str:
    """The command that does so, to be pasted into a shell."""
    return f"anywhere secrets update {shlex.quote(str(project.definition.path))} --provider {project.provider.name}"


def missing(project: Project, what: str) -> UserError:
    """The error where `what` takes secrets that are not made yet."""
    return UserError(
        f"Cluster {project.name} has no complete secrets on {project.provider.name} yet, and {what} takes them.",
        f"Make them: {command(project)}",
    )
