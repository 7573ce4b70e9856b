"""The steps of `anywhere plan`: what apply would change, and whether the target can hold it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from generator import pki
from generator.operations import field_changes, planning, preflight, rollout, saved_plan, state_guard, workspace
from generator.operations.field_changes import Notice
from generator.operations.project import Project
from generator.operations.review import Review, review
from generator.operations.steps import Step
from generator.operations.workspace import Workspace
from generator.progress import Progress
from generator.terraform import Plan as TerraformPlan


@dataclass
class Plan:
    """What the steps share. `may_destroy` names machines that the plan may destroy; it is saved at `save`."""

    project: Project
    progress: Progress
    may_destroy: Sequence[str]
    save: Path | None = None
    workspace: Workspace = field(init=False)
    notices: tuple[Notice, ...] = field(init=False)  # what is said of changed fields
    plan: TerraformPlan = field(init=False)
    review: Review = field(init=False)
    remark: str = field(init=False)  # how it is rolled out


def _render(run: Plan) -> None:
    run.workspace = workspace.render(run.project, run.progress, pki.ANY_AGE)  # a token that aged is no change


def _preflight(run: Plan) -> None:
    preflight.failures(run.workspace, run.progress)  # warns; only apply is refused


def _open_state(run: Plan) -> None:
    planning.initialise(run.workspace, run.progress)


def _check_state(run: Plan) -> None:
    state_guard.check(run.workspace)


def _compare(run: Plan) -> None:
    run.notices = field_changes.check(run.workspace)


def _plan(run: Plan) -> None:
    run.plan = planning.plan(run.workspace, run.progress, run.may_destroy)


def _review(run: Plan) -> None:
    run.review = review(run.workspace, run.plan, run.notices)
    run.remark = rollout.describe(rollout.batches(run.workspace, run.plan))


def _is_saved(run: Plan) -> bool:
    return run.save is not None


def _save(run: Plan) -> None:
    assert run.save
    saved_plan.save(run.workspace, run.plan, run.save)


STEPS: tuple[Step[Plan], ...] = (
    Step("Render the folder", _render),
    Step("Warn where the target cannot hold the cluster", _preflight),
    Step("Open the state", _open_state),
    Step("Refuse to go on without the state of a cluster that is there", _check_state),
    Step("Refuse changes of fields that never change", _compare),
    Step("Plan the changes", _plan),
    Step("Look at what changes inside", _review),
    Step("Save the plan", _save, when=_is_saved),
)
