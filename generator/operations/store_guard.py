"""The store is never replaced by accident: missing, swapped, or changed meanwhile, it stops whatever would go on."""

from __future__ import annotations

import shlex
from pathlib import Path

from generator import git, pki, store, terraform_state
from generator import lock as locks
from generator.agekey import NoKey, default_path, described
from generator.errors import UserError
from generator.lock import Lock, PublicSecrets
from generator.operations.project import Project
from generator.store import Secrets, Store
from providers import Check


def check_present(project: Project, lock: Lock | None) -> None:
    """UserError where there is no store and the cluster is not new: its lock knows one, or a state has its machines."""
    path = store.path_beside(project.definition.path)
    if path.exists():
        return
    if lock and lock.secrets:
        beside = locks.path_beside(project.definition.path)
        gone = f" If the cluster is gone for good, and only then, delete {beside} as well."
        raise _missing(path, f"{beside} belongs to them (store {lock.secrets.store})", gone)
    if _is_applied(project):
        raise _missing(path, f"{project.folder} has the Terraform state of cluster {project.name}")


def failing(project: Project, lock: Lock | None) -> tuple[Check, ...]:
    """What is wrong with the store: missing, damaged, another cluster's or older; () where nothing is.

    Without the key that is not known, and no failure: who does not apply may do without.
    """
    return tuple(check for check in diagnose(project, lock) if check.needed and not check.ok)


def diagnose(project: Project, lock: Lock | None) -> tuple[Check, ...]:
    """Whether the store of a cluster is here and opens; () where there is none yet."""
    path = store.path_beside(project.definition.path)
    try:
        check_present(project, lock)
        if not path.exists():
            return ()
        check_matches(project, lock, store.read(project.definition.path, project.name))
    except NoKey as error:
        return (Check("secrets", False, f"apply cannot go on: {error.message.rstrip('.')}", error.hint, needed=False),)
    except UserError as error:
        return (Check("secrets", False, error.message.rstrip("."), error.hint, needed=True),)
    return (Check("secrets", True, f"{path} opens with {described()}"),)


def check_exists(project: Project, lock: Lock | None) -> None:
    """UserError where there is no store: because it was lost, or because the cluster is new."""
    check_present(project, lock)
    path = store.path_beside(project.definition.path)
    if not path.exists():
        raise UserError(
            f"There are no secrets yet: {path} does not exist.",
            "`anywhere apply` makes them, and `anywhere secrets update` does without an apply.",
        )


def check_matches(project: Project, lock: Lock | None, found: Store) -> None:
    """UserError where `found` is not the store that `lock` knows, or lacks the keys of a target that runs."""
    path, beside = store.path_beside(project.definition.path), locks.path_beside(project.definition.path)
    if lock and lock.secrets:
        if found.id not in ("", lock.secrets.store):
            raise _other(path, f"{beside} belongs to store {lock.secrets.store}, and this is store {found.id}")
        for target, public in lock.secrets.targets.items():
            _check_generation(project, target, public, found.of(target))
            if differing := _differing(public, found.targets.get(target)):
                raise _other(path, f"its {differing} of {target} is not the one that {beside} records")
    if project.provider.name not in found.targets and _is_applied(project):
        raise without_keys(project, "as its Terraform state says")


def without_keys(project: Project, source: str) -> UserError:
    """The error where the store has no keys of a target that the cluster is on; `source` tells how that is known."""
    path, target = store.path_beside(project.definition.path), project.provider.name
    return UserError(
        f"Cluster {project.name} is on {target}, {source}, but {path} has no keys of {target}.",
        f"{_restore(path)} Bring {locks.path_beside(project.definition.path).name} of the same time as well. New keys"
        " would cut off every machine, so none are made.",
    )


def check_unchanged(project: Project, before: Secrets | None, now: Secrets | None) -> None:
    """UserError where the secrets of the target are others by now than those that the plan was made from."""
    if before != now:
        raise UserError(
            f"The secrets in {store.path_beside(project.definition.path)} were changed by somebody else meanwhile.",
            "Nothing was applied. Run the same command again.",
        )


def check_key_may_be_made(project: Project) -> None:
    """UserError where the definition lists who may open the store, and this computer has no age key yet."""
    if project.definition.age_recipients:
        raise UserError(
            f"There is no age key: {default_path()} does not exist. A new one would not be among"
            " spec.access.age_recipients.",
            "Run `anywhere secrets key`, which makes one, and add what it prints to the list.",
        )


def _check_generation(project: Project, target: str, public: PublicSecrets, secrets: Secrets) -> None:
    """UserError where a rotation was begun or went on after the lock, or the store, was written: one is of old times.

    Whatever writes both writes the store first, so one phase more of that is what an interruption leaves.
    """
    path, beside = store.path_beside(project.definition.path), locks.path_beside(project.definition.path)
    if secrets.authorities and secrets.generation < public.generation:
        raise UserError(
            f"{path} is older than {beside}: its secrets of {target} are of generation {secrets.generation}, and the"
            f" lock records {public.generation}.",
            _restore(path),
        )
    if secrets.generation > public.generation and _differing(public, secrets):
        raise UserError(
            f"{beside} is older than {path}: it records generation {public.generation} of the secrets of {target}, and"
            f" they are of {secrets.generation}.",
            f"Keep {path}, which alone has the newest keys. {_restore(beside)}",
        )


def _is_applied(project: Project) -> bool:
    """Whether the folder has a state with resources. A remote one is looked at once Terraform has opened it."""
    return terraform_state.has_resources(project.folder)


def _differing(public: PublicSecrets, secrets: Secrets | None) -> str:
    """What of the authorities is missing or another one, "" where all are as recorded.

    The one that a rotation replaced counts too: it may have stopped between writing the secrets and the lock.
    """
    there = pki.vouching(secrets) if secrets else {}
    return next((f"{name} CA" for name, digest in public.authorities.items() if digest not in there.get(name, ())), "")


def _missing(path: Path, why: str, hint: str = "") -> UserError:
    others = sorted(path.parent.glob("*.secrets.age"))
    beside = "".join(
        f" If the definition was renamed and they are in {other.name}: `mv {_quoted(other)} {_quoted(path)}`."
        for other in others
    )
    return UserError(
        f"The secrets in {path} are missing, and {why}. No new ones are made: they would cut off every machine.",
        f"{_restore(path)}{beside}{hint}",
    )


def _other(path: Path, why: str) -> UserError:
    return UserError(f"{path} is not the store of this cluster: {why}.", _restore(path))


def _restore(path: Path) -> str:
    return f"Restore the file with `{git.checkout(path)}`, or from a backup. `{git.log(path)}` shows where it was."


def _quoted(path: Path) -> str:
    """As a shell takes it."""
    return shlex.quote(str(path))
