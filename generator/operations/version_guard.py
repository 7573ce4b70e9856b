"""The guard against a Kubernetes version that a cluster's own cannot be followed by."""

from __future__ import annotations

from generator import lock as locks
from generator.definition import NEWEST
from generator.errors import UserError
from generator.kubernetes_version import is_older, skipped_minors
from generator.operations.project import Project


def check(project: Project, before: str, where: str, back: str, *, allow_downgrade: bool) -> None:
    """UserError where the definition's version is older than `before`, or leaves out a minor version after it.

    `where` says what has the version `before`, and `back` is the command that may take a step back.
    """
    path, version = project.definition.path, project.definition.kubernetes
    if is_older(version, before) and not allow_downgrade:
        raise UserError(f"Kubernetes {version} in {path} is older than {before} {where}.", locks.downgrade(back))
    if skipped := skipped_minors(before, version):
        step = NEWEST.get(skipped[0].removeprefix("v"), f"a version of {skipped[0]}")
        raise UserError(
            f"An upgrade from {before} to {version} leaves out {' and '.join(skipped)}. API servers may differ by one"
            " minor version at most while they are replaced, one after the other.",
            f"Write {step} in spec.kubernetes.version, lock and apply that first.",
        )
