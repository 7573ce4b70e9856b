"""Back to what a cluster was made of before: its lock, and the version in its definition."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from generator import lock as locks
from generator import source as sources
from generator.errors import UserError
from generator.files import rewrite
from generator.kubernetes_version import same_minor
from generator.lock import Lock, Previous
from generator.operations.project import Project


def run(project: Project) -> Lock:
    """Write the definition and the lock as they were; the lock, in which the two releases have changed places.

    UserError, with nothing written, where there is nothing to go back to, or no way.
    """
    path = project.definition.path
    lock = locks.read(locks.path_beside(path), locks.APPLIED)
    back = _back(lock, path)
    text = _definition(path, project.definition.kubernetes, back.kubernetes)
    after = replace(
        lock, kubernetes=back.kubernetes, images=back.images, previous=Previous(lock.kubernetes, lock.images)
    )
    rewrite(path, text.encode())
    locks.write(locks.path_beside(path), after)
    return after


def _back(lock: Lock, path: Path) -> Previous:
    if lock.previous is None:
        raise UserError(
            f"{locks.path_beside(path)} knows no release before this one.",
            "`anywhere images lock` keeps one when it changes what a cluster is made of. An older lock may be in git.",
        )
    if not same_minor(lock.kubernetes, lock.previous.kubernetes):
        raise UserError(
            f"Kubernetes {lock.kubernetes} cannot go back to {lock.previous.kubernetes}: an older minor version does"
            " not read all that a newer one wrote.",
            "Go back with a snapshot of etcd from before the upgrade: `anywhere etcd list` shows them.",
        )
    return lock.previous


def _definition(path: Path, now: str, back: str) -> str:
    """The definition with the version `back` in the place of `now`, and all else as it was written."""
    text = path.read_bytes().decode()  # with the ends of its lines as they are
    if now == back:
        return text
    lines, number = text.splitlines(keepends=True), sources.read(path).line(("spec", "kubernetes", "version")) - 1
    if now not in lines[number]:
        raise UserError(
            f"{path} gives no Kubernetes version: it takes the default, {now}.",
            f"Write version: {now} under spec.kubernetes, and run the same command again.",
        )
    lines[number] = lines[number].replace(now, back, 1)
    return "".join(lines)
