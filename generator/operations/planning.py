"""Terraform plans of a workspace."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

from generator import render
from generator.files import write_atomic
from generator.operations.project import Project
from generator.operations.workspace import Workspace
from generator.progress import Progress
from generator.terraform import Plan


def plan(workspace: Workspace, progress: Progress, may_destroy: Sequence[str] = ()) -> Plan:
    """Initialise Terraform, then plan everything. `may_destroy` names machines that the plan may destroy.

    UserError where the backend holds the state of another cluster.
    """
    with progress.phase("initialise Terraform"):
        workspace.terraform.init()
        workspace.terraform.check_remote_state(workspace.project.name)
    with progress.phase("plan"):
        return plan_targets(workspace, may_destroy)


def plan_targets(workspace: Workspace, may_destroy: Sequence[str] = (), targets: Sequence[str] = ()) -> Plan:
    """As `plan`, in an initialised folder; only these addresses and what they depend on, where any are given."""
    with unprotected(workspace.project) if may_destroy else nullcontext():
        return workspace.terraform.plan(workspace.secrets, targets)


@contextmanager
def unprotected(project: Project) -> Iterator[None]:
    """Inside, the rendered folder lacks what keeps Terraform from destroying the data of etcd."""
    overrides = render.unprotected(project.provider.name)
    try:
        for name, data in overrides.items():
            write_atomic(project.folder / name, data)
        yield
    finally:
        for name in overrides:
            (project.folder / name).unlink(missing_ok=True)
