"""The steps that plan, apply and their like are made of, each with its title."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from generator import agekey, pki, render, store
from generator.directories import archives, cache
from generator.errors import UserError
from generator.images import cache as image_cache
from generator.lock import Lock
from generator.operations import lock_file
from generator.operations.project import Project, lay_out
from generator.progress import Progress
from generator.render import Target
from generator.store import Secrets
from generator.terraform import Plan, Terraform
from generator.topology import Topology
from providers import Check

UPLOAD = ".archive["  # in the addresses of what clouds keep of images and packages

# A rendered folder may be committed, for review; what apply leaves there may not.
UNTRACKED = b"""\
# The kubeconfig is a key to the whole cluster.
*kubeconfig*
*.tfplan
*.tfstate*
.terraform/
"""


@dataclass(frozen=True, slots=True)
class Work:
    """A project whose folder is rendered. `values` goes to Terraform as its secrets, a string a component."""

    project: Project
    lock: Lock
    topology: Topology
    values: Mapping[str, str]
    terraform: Terraform


def rendered(project: Project, progress: Progress, token_age: timedelta = pki.TOKEN_AGE) -> Work:
    """All that stands in the folder: from lock, machines and secrets to files. `token_age` is as in `pki.ensure`."""
    runner = terraform(project, progress)
    runner.check_state(project.name)  # before anything of another cluster is written over
    lock = lock_file.locked(project, progress)
    machines = lay_out(project, lock)
    documents = pki.documents(ensure_secrets(project, progress, token_age))
    with progress.phase(f"render {project.folder}"):
        readers = pki.readers(machines)
        described = {
            name: {"roles": list(readers[name]), "version": pki.version(document)}
            for name, document in documents.items()
            if readers[name]
        }
        tree = render.tree(project.definition, lock, machines, target(project, lock), described)
        render.write({**tree, ".gitignore": UNTRACKED}, project.folder)
    return Work(project, lock, machines, values(documents), runner)


def rendered_here(project: Project, progress: Progress) -> Terraform:
    """Terraform in the folder, rendered first where its state is elsewhere: another computer may have applied."""
    remote = project.provider.backend(project.definition) is not None
    if remote and not any(project.folder.glob("*.tf")):
        work = rendered(project, progress, pki.ANY_AGE)
        work.terraform.init()
        return work.terraform
    return terraform(project, progress)


def target(project: Project, lock: Lock) -> Target:
    """What rendering is told of the target."""
    definition, provider = project.definition, project.provider
    return Target(
        provider.name,
        provider.settings(definition, lock),
        provider.base_images(lock),
        provider.backend(definition),
    )


def preflight(work: Work, progress: Progress) -> tuple[Check, ...]:
    """What keeps the target from having the machines; what only may do so is a warning. Changes nothing."""
    failed = [c for c in work.project.provider.preflight(work.project.definition, work.topology) if not c.ok]
    for check in failed:
        progress.note(f"warning: {check.subject}: {check.detail}. {check.hint}")
    return tuple(check for check in failed if check.needed)


def refuse_unfit(failed: Sequence[Check]) -> None:
    """UserError with every check that failed, a line each."""
    if len(failed) == 1:
        raise UserError(f"{failed[0].subject}: {failed[0].detail}.", failed[0].hint)
    if failed:
        lines = "\n".join(f"  {check.subject}: {check.detail}. {check.hint}" for check in failed)
        raise UserError(f"The target is not fit for this cluster:\n{lines}", "Nothing was changed.")


def planned(work: Work, progress: Progress, may_destroy: Sequence[str] = ()) -> Plan:
    """What differs from the definition; `may_destroy` names machines whose protection is lifted for this plan."""
    with progress.phase("initialise Terraform"):
        work.terraform.init()
        work.terraform.check_remote_state(work.project.name)
    with progress.phase("plan"):
        return plan(work, may_destroy)


def plan(work: Work, may_destroy: Sequence[str] = (), targets: Sequence[str] = ()) -> Plan:
    """As `planned`, of an initialised folder; of these addresses alone, and what they need, where there are any."""
    with unprotected(work.project) if may_destroy else nullcontext():
        return work.terraform.plan(work.values, targets)


@contextmanager
def unprotected(project: Project) -> Iterator[None]:
    """The rendered folder, for a while, without what keeps Terraform from destroying the data of etcd."""
    files = render.unprotected(project.provider.name)
    try:
        for name, data in files.items():
            (project.folder / name).write_bytes(data)
        yield
    finally:
        for name in files:
            (project.folder / name).unlink(missing_ok=True)


def bring_about(work: Work, plan: Plan, progress: Progress) -> None:
    """What must be there before machines are made: images in the cache, a base image.

    A cloud keeps what was uploaded: images are brought only where the plan uploads one.
    """
    if not work.project.provider.stock or any(UPLOAD in change.address for change in plan.changes):
        get_images(work.project, work.lock, progress)
    work.project.provider.prepare(work.project.definition, work.topology, work.lock, archives(), progress)


def ensure_secrets(project: Project, progress: Progress, token_age: timedelta = pki.TOKEN_AGE) -> Secrets:
    """The cluster's secrets, made or renewed where needed; says so where an age key was made for them."""
    now, services = datetime.now(UTC), project.definition.network.services

    def change(known: Secrets) -> Secrets:
        return pki.ensure(known, now, services, token_age=token_age)

    key = agekey.default_path()
    there = key.exists()
    secrets = store.update(project.definition.path, project.name, change)
    if key.exists() and not there:
        progress.note(f"warning: {key} was made; it alone opens {store.path_beside(project.definition.path)}.")
        progress.note("warning: Keep a copy of that key in a safe place: without it the cluster's secrets are lost.")
    return secrets


def values(documents: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Component -> its document, as one string each."""
    return {name: json.dumps(dict(document), sort_keys=True) for name, document in documents.items()}


def terraform(project: Project, progress: Progress) -> Terraform:
    """Terraform in the project's folder."""
    return Terraform(project.folder, cache(), progress, environment(project))


def environment(project: Project) -> dict[str, str]:
    """What Terraform is told by environment, but for the secrets."""
    return {**project.provider.environment(), "TF_VAR_cache": str(cache())}


def kubeconfig(project: Project, runner: Terraform) -> Path:
    """Write the administrator's kubeconfig, for the address that the target's outputs give."""
    runner.check_state(project.name)
    api = project.folder.is_dir() and runner.outputs().get("api")
    if not api:
        raise UserError(f"Cluster {project.name} has no API address yet.", "Run `anywhere apply` first.")
    secrets = store.read(project.definition.path, project.name)
    text = pki.admin_kubeconfig(secrets, api)
    temporary = project.kubeconfig.with_name(f".kubeconfig.{os.getpid()}")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        temporary.replace(project.kubeconfig)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()
    return project.kubeconfig


def get_images(project: Project, lock: Lock, progress: Progress) -> None:
    """Have every image of the lock in the cache, and the packages where machines are brought them."""
    image_cache.present(lock, archives(), cache(), progress)
    if project.provider.stock:
        from generator import packages

        for arch in project.definition.architectures:
            packages.present(lock.packages[arch], arch, cache(), progress)
