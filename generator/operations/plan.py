"""The steps of `anywhere plan`: what apply would change, and whether the target can hold it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from generator import registry_login
from generator.lock import Lock
from generator.operations import (
    cluster_secrets,
    destroy_guard,
    field_changes,
    lock_file,
    planning,
    preflight,
    rollout,
    saved_plan,
    state_guard,
    workspace,
)
from generator.operations.cluster_secrets import Known
from generator.operations.field_changes import Notice
from generator.operations.project import Project
from generator.operations.resolution import Foreseeing
from generator.operations.review import Review, review
from generator.operations.secrets_update import missing
from generator.operations.steps import Step
from generator.operations.workspace import Workspace
from generator.pki import Renewal
from generator.progress import Progress
from generator.terraform import Plan as TerraformPlan


@dataclass
class Plan:
    """What the steps share. `may_destroy` names machines that the plan may destroy; it is saved at `save`.

    Nothing is resolved where the lock is `frozen`.
    """

    project: Project
    progress: Progress
    may_destroy: Sequence[str]
    save: Path | None = None
    frozen: bool = False
    allow_downgrade: bool = False
    lock: Lock = field(init=False)
    said: list[str] = field(default_factory=list)
    secrets: Known = field(init=False)
    workspace: Workspace = field(init=False)
    notices: tuple[Notice, ...] = field(init=False)  # what is said of changed fields
    plan: TerraformPlan = field(init=False)
    review: Review = field(init=False)


def _is_saved(run: Plan) -> bool:
    return run.save is not None


def _check_place(run: Plan) -> None:
    assert run.save
    saved_plan.check_place(run.save)


def _refuse_foreign(run: Plan) -> None:
    workspace.open_own(run.project, run.progress)


def _resolve(run: Plan) -> None:
    if run.frozen or run.save:
        why = "--frozen resolves nothing" if run.frozen else "a saved plan takes all of it"
        run.lock = lock_file.resolve_nothing(run.project, why)
        lock_file.check_founded(run.project, run.lock)
    else:
        resolver = Foreseeing(run.project, run.progress)
        run.lock = lock_file.founded(run.project, lock_file.resolve(run.project, resolver, run.progress))
        run.said.append(resolver.remark())


def _look_at_secrets(run: Plan) -> None:
    # A token that aged is no change: masters keep the one they know of alive.
    lock = lock_file.known(run.project)
    run.secrets = cluster_secrets.look(run.project, lock, run.progress, Renewal.CERTIFICATES)
    names = ", ".join(run.secrets.unmade)
    if run.secrets.new:
        run.said.append("The cluster is new on this target: apply makes its keys and certificates.")
    elif names and run.save:
        run.secrets = cluster_secrets.look(run.project, lock, run.progress)
        run.said.append(
            f"Certificates of {names} expire soon, and a saved plan renews none: run `anywhere secrets update`."
        )
    elif names:
        run.said.append(f"Apply makes or renews certificates and keys of: {names}.")
    run.said.append(cluster_secrets.remark_on_recipients(run.project))
    run.said.append(cluster_secrets.remark_on_rotation(run.project))
    run.said.append(cluster_secrets.remark_on_token(run.project, is_renewed=run.save is None))


def _require_secrets(run: Plan) -> None:
    if run.secrets.unmade:
        registry_login.of(run.project.definition)  # first, as making them takes it too
        raise missing(run.project, "a saved plan")


def _render(run: Plan) -> None:
    run.workspace = workspace.render(run.project, run.lock, run.secrets, run.progress)


def remarks(run: Plan) -> tuple[str, ...]:
    """What there is to say beside the plan, a line each."""
    return tuple(filter(None, run.said))


def _put_back(run: Plan) -> None:
    workspace.put_back(run.workspace)


def _preflight(run: Plan) -> None:
    preflight.warn(preflight.failures(run.project, run.workspace.topology), run.progress)


def _open_state(run: Plan) -> None:
    planning.initialise(run.workspace, run.progress)


def _check_state(run: Plan) -> None:
    state_guard.check(run.workspace)


def _compare(run: Plan) -> None:
    run.notices = field_changes.check(run.workspace, allow_downgrade=run.allow_downgrade)


def _plan(run: Plan) -> None:
    run.plan = planning.plan(run.workspace, run.progress, run.may_destroy)


def _lifts_protection(run: Plan) -> bool:
    """Whether Terraform would no longer refuse by itself, of any machine."""
    return bool(run.may_destroy)


def _guard_data(run: Plan) -> None:
    addresses = run.project.provider.addresses
    destroy_guard.check_data(run.plan, run.may_destroy, addresses)
    run.said.append(destroy_guard.remark(run.plan, run.may_destroy, addresses))


def _review(run: Plan) -> None:
    run.review = review(run.workspace, run.plan, run.notices)
    run.said.append(rollout.describe(rollout.batches(run.workspace, run.plan)))


def _save(run: Plan) -> None:
    assert run.save
    saved_plan.save(run.workspace, run.plan, run.save)


STEPS: tuple[Step[Plan], ...] = (
    Step("Refuse a place where the plan cannot be saved", _check_place, when=_is_saved),
    Step("Refuse the state of another cluster", _refuse_foreign),
    Step("Resolve what the lock lacks, without making anything", _resolve),
    Step("Look up the versions of the secrets", _look_at_secrets),
    Step("Refuse to save a plan for secrets that are not made yet", _require_secrets, when=_is_saved),
    Step("Render the folder", _render, undo=_put_back),
    Step("Warn where the target cannot hold the cluster", _preflight),
    Step("Open the state", _open_state),
    Step("Refuse to go on without the state of a cluster that is there", _check_state),
    Step("Refuse changes of fields that never change", _compare),
    Step("Plan the changes", _plan),
    Step("Refuse to destroy data of etcd that nobody named", _guard_data, when=_lifts_protection),
    Step("Look at what changes inside", _review),
    Step("Save the plan", _save, when=_is_saved),
)
