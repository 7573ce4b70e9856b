"""The administrator's kubeconfig, in the rendered folder."""

from __future__ import annotations

from pathlib import Path

from generator import pki
from generator.errors import UserError
from generator.files import PRIVATE, write_atomic
from generator.operations import cluster_secrets, lock_file
from generator.operations.project import Project
from generator.terraform import Terraform


def check_own(project: Project) -> None:
    """UserError where the folder has a kubeconfig of something else: it may be a person's only one."""
    path = project.kubeconfig
    if path.exists() and f'current-context: "{project.name}' not in path.read_text(errors="replace"):
        raise UserError(
            f"{path} is not the kubeconfig of cluster {project.name}, and would be replaced.",
            "Move it elsewhere, or give another folder as --out. Nothing was changed.",
        )


def write(project: Project, terraform: Terraform) -> Path:
    """Write the kubeconfig for the API address in Terraform's outputs; its path.

    UserError before the first apply, and where the folder holds the state of another cluster.
    """
    terraform.check_state(project.name)
    api = project.folder.is_dir() and terraform.outputs().get("api")
    if not api:
        raise UserError(f"Cluster {project.name} has no API address yet.", "Run `anywhere apply` first.")
    secrets = cluster_secrets.opened(project, lock_file.known(project)).of(project.provider.name)
    text = pki.admin_kubeconfig(secrets, api, project.context)
    write_atomic(project.kubeconfig, text.encode(), PRIVATE)
    return project.kubeconfig
