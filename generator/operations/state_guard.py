"""The guard against a state that is elsewhere: without it, Terraform would make a second cluster beside the first."""

from __future__ import annotations

import shlex

from generator import terraform_state
from generator.errors import UserError
from generator.operations import store_guard
from generator.operations.project import Project
from generator.operations.workspace import Workspace
from providers import Check

SHOWN = 5  # names of what was found


def check(workspace: Workspace) -> None:
    """UserError where Terraform's state has no resources and the target has things of this cluster."""
    if not (workspace.terraform.outputs() or workspace.terraform.has_resources()):
        _refuse_present(workspace.project)


def check_not_elsewhere(project: Project) -> None:
    """The same, of the state as it is in the folder or the backend: for who has not opened it with Terraform yet."""
    if not _is_there(project):
        _refuse_present(project)


def check_applied(project: Project) -> None:
    """UserError where there is no cluster yet, or its state is elsewhere: for who changes what machines have."""
    if _is_there(project):
        return
    _refuse_present(project)
    raise UserError(
        f"Cluster {project.name} does not exist on {project.provider.name}: no machine has keys to be replaced.",
        "Nothing was changed. Make it first: `anywhere apply`.",
    )


def check_is_new(project: Project) -> None:
    """UserError where the target has things of this cluster, or a backend its state: new keys would cut it off."""
    provider, definition = project.provider, project.definition
    if found := provider.present(definition):
        raise store_guard.without_keys(project, f"which has {_named(found)}")
    if provider.backend(definition) and provider.has_state(definition):
        raise store_guard.without_keys(project, "as the state in its backend says")


def failing(project: Project) -> tuple[Check, ...]:
    """The same as checks, () where nothing is wrong. The target is asked only where there is no state."""
    try:
        check_not_elsewhere(project)
    except UserError as error:  # also where the state is damaged, or its bucket cannot be read
        return (_failed(error, needed=True),)
    return ()


def diagnose(project: Project) -> tuple[Check, ...]:
    """The same; also where state and cluster are both there."""
    if (failed := failing(project)) or not _is_there(project):
        return failed
    try:
        found = project.provider.present(project.definition)
    except UserError as error:
        return (_failed(error, needed=False),)
    ok = Check("state", True, f"the Terraform state is here, and so are {len(found)} things of {project.name}")
    return (ok,) if found else ()


def _refuse_present(project: Project) -> None:
    """UserError where the target has things of this cluster, whose state is not here."""
    if found := project.provider.present(project.definition):
        raise UserError(f"{_message(project, found)}.", _remedy(project))


def _failed(error: UserError, *, needed: bool) -> Check:
    return Check("state", False, error.message.rstrip("."), error.hint, needed=needed)


def _is_there(project: Project) -> bool:
    if project.provider.backend(project.definition):
        return project.provider.has_state(project.definition)
    return terraform_state.has_resources(project.folder)


def _message(project: Project, found: tuple[str, ...]) -> str:
    where = "the backend" if project.provider.backend(project.definition) else str(project.folder)
    return (
        f"Cluster {project.name} is on {project.provider.name} already ({len(found)} found: {_named(found)}), but"
        f" {where} has no Terraform state of it"
    )


def _named(found: tuple[str, ...]) -> str:
    return ", ".join(found[:SHOWN]) + (f" and {len(found) - SHOWN} more" if len(found) > SHOWN else "")


def _remedy(project: Project) -> str:
    """How the state comes here, and what is left where it is lost."""
    target = project.provider.name
    if project.provider.backend(project.definition):
        bring = f"Check that providers.{target}.backend names the bucket, and the path in it, that it was applied with"
    else:
        copy = shlex.quote(str(project.folder / terraform_state.FILE))
        bring = f"Copy {project.folder.name}/{terraform_state.FILE} from the computer that applied it to {copy}"
        if project.may_have_backend:
            bring += f", or name the bucket that has it in providers.{target}.backend"
    return (
        f"Nothing was changed. {bring}. If the state is lost, delete by hand what `anywhere destroy` lists, or choose"
        " another metadata.name."
    )
