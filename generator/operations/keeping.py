"""What belongs to a cluster and stands beside its definition, to be committed: its lock and its secrets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from generator import lock as locks
from generator import store
from generator.lock import Lock
from generator.operations import cluster_secrets, lock_file
from generator.operations.cluster_secrets import Prepared
from generator.operations.project import Project
from generator.progress import Progress


def unkept(project: Project, known: Lock | None, lock: Lock, secrets: Prepared) -> tuple[Path, ...]:
    """The files that do not hold `lock` and `secrets` yet; `known` is the lock on disk."""
    path = project.definition.path
    written = () if cluster_secrets.is_kept(project, secrets) else (store.path_beside(path),)
    return (*written, *(() if lock == known else (locks.path_beside(path),)))


def describe(files: Sequence[Path]) -> str:
    """One line about what is to be written, "" where that is nothing."""
    return f"To be written, and then committed: {', '.join(map(str, files))}." if files else ""


def keep(project: Project, known: Lock | None, lock: Lock, secrets: Prepared, progress: Progress) -> None:
    """Write the secrets, then the lock that records them; what is on disk already is left alone.

    UserError, with nothing written, where either was changed since it was read.
    """
    lock_file.check_unchanged(project, known)
    files = unkept(project, known, lock, secrets)
    with progress.phase("write the lock and the secrets"):
        # In this order: a lock that knows a store which was never written would stop every verb.
        if store.path_beside(project.definition.path) in files:
            cluster_secrets.keep(project, secrets, progress)
        if lock != known:
            locks.write(locks.path_beside(project.definition.path), lock)
        if secrets.known.new:
            progress.note(f"Commit both: {' and '.join(map(str, files))}. Without them nobody else can apply.")
