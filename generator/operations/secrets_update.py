"""Making or renewing the secrets of a target without an apply: for who plans first, and applies that plan elsewhere."""

from __future__ import annotations

from generator.errors import UserError
from generator.operations import cluster_secrets, keeping, lock_file, state_guard
from generator.operations.project import Project
from generator.pki import Renewal
from generator.progress import Progress


def run(project: Project, progress: Progress) -> bool:
    """Write the secrets and the lock that records them; whether anything changed. Images are not resolved.

    UserError where there is no lock, which records whose secrets they are, and where new keys would be made for a
    cluster that is there.
    """
    known, lock = lock_file.known(project), lock_file.resolve_nothing(project, "it records the secrets")
    secrets = cluster_secrets.prepare(project, known, Renewal.ALL)
    if secrets.known.new:
        state_guard.check_is_new(project)
    lock = cluster_secrets.recorded(lock, secrets.known, project.provider.name)
    files = keeping.unkept(project, known, lock, secrets)
    if files:
        keeping.keep(project, known, lock, secrets, progress)
    return bool(files)


def missing(project: Project, what: str) -> UserError:
    """The error where `what` takes secrets that are not made yet."""
    return UserError(
        f"Cluster {project.name} has no complete secrets on {project.provider.name} yet, and {what} takes them.",
        "Make them: `anywhere secrets update`.",
    )
