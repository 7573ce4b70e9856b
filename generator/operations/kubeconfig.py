"""Kubeconfigs in the rendered folder: the administrator's, and those of people, which end soon."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from generator import pki
from generator.errors import UserError
from generator.files import PRIVATE, write_atomic
from generator.operations import cluster_secrets, lock_file
from generator.operations.project import Project
from generator.pki import Person
from generator.store import Secrets
from generator.terraform import Terraform


@dataclass(frozen=True, slots=True)
class Granted:
    """The kubeconfig of a person, and when it ends."""

    path: Path
    ends: datetime


def check_own(project: Project) -> None:
    """UserError where the folder has a kubeconfig of something else: it may be a person's only one."""
    _check(project, project.kubeconfig, project.name)


def write(project: Project, terraform: Terraform) -> Path:
    """Write the administrator's kubeconfig for the API address in Terraform's outputs; its path.

    UserError before the first apply, and where the folder holds the state of another cluster.
    """
    text = pki.admin_kubeconfig(*_api(project, terraform), project.context)
    write_atomic(project.kubeconfig, text.encode(), PRIVATE)
    return project.kubeconfig


def grant(project: Project, terraform: Terraform, person: Person) -> Granted:
    """Write a kubeconfig for the person beside it. The store and the lock stay as they are. UserError as in `write`."""
    path = project.folder / f"{person.name}.kubeconfig"
    _check(project, path, f"{person.name}@{project.name}")
    granted = pki.grant(*_api(project, terraform), person, project.context, datetime.now(UTC))
    write_atomic(path, granted.kubeconfig.encode(), PRIVATE)
    return Granted(path, granted.ends)


def _check(project: Project, path: Path, context: str) -> None:
    if path.exists() and f'current-context: "{context}' not in path.read_text(errors="replace"):
        raise UserError(
            f"{path} is not the kubeconfig of cluster {project.name}, and would be replaced.",
            "Move it elsewhere, or give another folder as --out. Nothing was changed.",
        )


def _api(project: Project, terraform: Terraform) -> tuple[Secrets, str]:
    """The secrets of the cluster, and where its API is."""
    terraform.check_state(project.name)
    api = project.folder.is_dir() and terraform.outputs().get("api")
    if not api:
        raise UserError(f"Cluster {project.name} has no API address yet.", "Run `anywhere apply` first.")
    secrets = cluster_secrets.opened(project, lock_file.known(project)).of(project.provider.name)
    return secrets, str(api)
