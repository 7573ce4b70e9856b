"""The rendered folder of a cluster, and the Terraform that runs in it."""

from __future__ import annotations

from dataclasses import dataclass

from generator import directories, pki, rendered_folder
from generator import lock as locks
from generator import render as rendering
from generator.errors import UserError
from generator.lock import Lock
from generator.operations import cluster_secrets, kubeconfig, lock_file
from generator.operations.cluster_secrets import Known
from generator.operations.project import Project, lay_out
from generator.operations.resolution import Foreseeing, Nominal, Resolver
from generator.progress import Progress
from generator.release import Restore
from generator.render import Target, Tree
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
    """A project whose folder is rendered. `secrets` are what Terraform may be given the documents of.

    `before` is what the folder held until then.
    """

    project: Project
    lock: Lock
    topology: Topology
    secrets: Known
    terraform: Terraform
    before: Tree


def render(
    project: Project, lock: Lock, secrets: Known, progress: Progress, restore: Restore | None = None
) -> Workspace:
    """Render the folder from values in memory: nothing beside the definition is read or written.

    UserError where the folder holds the state of another cluster: nothing is written then.
    """
    runner = open_own(project, progress)  # before any file of another cluster is overwritten
    lock = cluster_secrets.recorded(lock, secrets, project.provider.name)
    with progress.phase(f"render {project.folder}"):
        before = rendered_folder.write(tree(project, lock, secrets, restore), project.folder)
    return Workspace(project, lock, lay_out(project, lock), secrets, runner, before)


def put_back(workspace: Workspace) -> None:
    """Make the folder what it was before it was rendered."""
    rendered_folder.restore(workspace.before, workspace.project.folder)


def tree(project: Project, lock: Lock, secrets: Known, restore: Restore | None = None) -> Tree:
    """What the folder holds once it is rendered; `lock` records these secrets."""
    topology = lay_out(project, lock)
    readers = pki.readers(topology)
    described = {
        name: {"roles": list(readers[name]), "version": version}
        for name, version in secrets.versions.items()
        if readers[name]
    }
    files = rendering.tree(project.definition, lock, topology, target(project, lock), described, restore)
    return {**files, ".gitignore": GITIGNORE}


def stale(project: Project, lock: Lock, secrets: Known) -> tuple[str, ...]:
    """The paths of all files of the folder that are not as `render` would write them. Writes nothing."""
    lock = cluster_secrets.recorded(lock, secrets, project.provider.name)
    return rendered_folder.stale(tree(project, lock, secrets), project.folder)


def look(project: Project, progress: Progress, *, frozen: bool = False) -> tuple[Lock, Known]:
    """What is rendered where nothing is made, kept or renewed: the lock and the secrets as they are.

    UserError where the lock lacks something that must be made first.
    """
    known = lock_file.known(project)
    if frozen:
        return lock_file.resolve_nothing(project), cluster_secrets.look(project, known, progress)
    resolver = Foreseeing(project, progress)
    lock = lock_file.resolve(project, resolver, progress)
    if not resolver.complete:
        raise UserError(
            f"{locks.path_beside(project.definition.path)} is not complete: what it lacks must be made first.",
            f"Make it: {locks.RELOCK}.",
        )
    return lock, cluster_secrets.look(project, known, progress)


def open_own(project: Project, progress: Progress) -> Terraform:
    """Terraform in the project's folder; UserError where that holds the state or the kubeconfig of something else."""
    runner = terraform(project, progress)
    runner.check_state(project.name)
    kubeconfig.check_own(project)
    return runner


def open_terraform(project: Project, progress: Progress) -> Terraform:
    """Terraform in the folder; rendered first where the state is remote, as another computer may have applied."""
    if project.provider.backend(project.definition) and not any(project.folder.glob("*.tf")):
        runner = render_as_recorded(project, progress).terraform
        runner.init()
        return runner
    return terraform(project, progress)


def render_as_recorded(project: Project, progress: Progress) -> Workspace:
    """Render the folder for who changes no machine: it takes neither secrets nor a lock that fits the definition."""
    return render(project, *as_recorded(project, Nominal(project)), progress)


def as_recorded(project: Project, resolver: Resolver) -> tuple[Lock, Known]:
    """What is rendered for who changes no machine; `resolver` has what no lock here says."""
    lock = lock_file.as_recorded(project, resolver)
    return lock, cluster_secrets.as_recorded(project, lock, pki.readers(lay_out(project, lock)))


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
