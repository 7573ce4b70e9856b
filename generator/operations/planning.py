"""Terraform plans of a workspace."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

from generator import render
from generator.files import write_atomic
from generator.operations import cluster_secrets, store_guard
from generator.operations.project import Project
from generator.operations.workspace import Workspace
from generator.progress import Progress
from generator.terraform import Plan

# Stands for a secret document where Terraform need not know it: a module asks only whether all are given.
WITHHELD = "withheld"


def plan(workspace: Workspace, progress: Progress, may_destroy: Sequence[str] = ()) -> Plan:
    """Plan everything, in an initialised folder. `may_destroy` names machines that the plan may destroy."""
    with progress.phase("plan"):
        return plan_targets(workspace, may_destroy)


def initialise(workspace: Workspace, progress: Progress) -> None:
    """Fetch providers and open the backend.

    UserError where that holds the state of another cluster, or of this one while there are no secrets of it.
    """
    with progress.phase("initialise Terraform"):
        workspace.terraform.init()
        workspace.terraform.check_remote_state(workspace.project.name)
        if workspace.secrets.new and workspace.terraform.outputs():
            raise store_guard.without_keys(workspace.project, "as its Terraform state says")


def plan_targets(workspace: Workspace, may_destroy: Sequence[str] = (), targets: Sequence[str] = ()) -> Plan:
    """As `plan`, in an initialised folder; only these addresses and what they depend on, where any are given."""
    with unprotected(workspace.project) if may_destroy else nullcontext():
        return workspace.terraform.plan(dict.fromkeys(workspace.secrets.versions, WITHHELD), targets)


def apply(workspace: Workspace, plan: Plan) -> None:
    """Apply a saved plan. Terraform gets the secret documents that it writes, and no others."""
    secret = workspace.project.provider.addresses.secret
    written = {change.key for change in plan.changes if change.resource == secret}
    documents = cluster_secrets.values(workspace.secrets.documents)
    given = {name: text if name in written else WITHHELD for name, text in documents.items()}
    workspace.terraform.apply(plan, given)


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
