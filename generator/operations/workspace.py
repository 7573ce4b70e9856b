"""The rendered folder of a cluster, and the Terraform that runs in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from generator import directories, pki, registry_login, rendered_folder
from generator import render as rendering
from generator.lock import Lock
from generator.operations import cluster_secrets, lock_file
from generator.operations.project import Project, lay_out
from generator.progress import Progress
from generator.render import Target
from generator.terraform import Terraform
from generator.topology import Topology

# A rendered folder may be committed, for review; what apply leaves there may not.
GITIGNORE = b"""\
# The kubeconfig is a key to the whole cluster.
*kubeconfig*
*.tfplan
*.tfstate*
.anywhere-lock
.terraform/
"""


@dataclass(frozen=True, slots=True)
class Workspace:
    """A project whose folder is rendered. `secrets` goes to Terraform: component -> its secret document."""

    project: Project
    lock: Lock
    topology: Topology
    secrets: Mapping[str, str]
    terraform: Terraform


def render(project: Project, progress: Progress, token_age: timedelta = pki.TOKEN_AGE) -> Workspace:
    """Render the folder from definition, lock and secrets. `token_age` is as in `pki.ensure`.

    UserError where the folder holds the state of another cluster: nothing is written then.
    """
    runner = terraform(project, progress)
    runner.check_state(project.name)  # before any file of another cluster is overwritten
    login = registry_login.of(project.definition)  # where it is lacking, nothing is written either
    lock = lock_file.ensure(project, progress)
    topology = lay_out(project, lock)
    documents = pki.documents(cluster_secrets.ensure(project, progress, token_age), login)
    with progress.phase(f"render {project.folder}"):
        readers = pki.readers(topology)
        described = {
            name: {"roles": list(readers[name]), "version": pki.version(document)}
            for name, document in documents.items()
            if readers[name]
        }
        tree = rendering.tree(project.definition, lock, topology, target(project, lock), described)
        rendered_folder.write({**tree, ".gitignore": GITIGNORE}, project.folder)
    return Workspace(project, lock, topology, cluster_secrets.values(documents), runner)


def open_terraform(project: Project, progress: Progress) -> Terraform:
    """Terraform in the folder; rendered first where the state is remote, as another computer may have applied."""
    remote = project.provider.backend(project.definition) is not None
    if remote and not any(project.folder.glob("*.tf")):
        workspace = render(project, progress, pki.ANY_AGE)
        workspace.terraform.init()
        return workspace.terraform
    return terraform(project, progress)


def target(project: Project, lock: Lock) -> Target:
    """What rendering is told of the target."""
    definition, provider = project.definition, project.provider
    return Target(
        provider.name,
        provider.settings(definition, lock),
        provider.base_images(lock),
        provider.backend(definition),
        provider.etcd_disk,
    )


def terraform(project: Project, progress: Progress) -> Terraform:
    """Terraform in the project's folder; UserError where that holds what anywhere did not write."""
    rendered_folder.check(project.folder, rendering.unprotected(project.provider.name))
    return Terraform(project.folder, directories.cache(), progress, environment(project))


def environment(project: Project) -> dict[str, str]:
    """The environment variables that Terraform needs, except for the secrets."""
    return {**project.provider.environment(), "TF_VAR_cache": str(directories.cache())}
