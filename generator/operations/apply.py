"""The steps of `anywhere apply`: from a definition to a cluster that works."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from generator import pki
from generator.operations import (
    artifacts,
    cluster_health,
    departed_nodes,
    destroy_guard,
    field_changes,
    kubeconfig,
    planning,
    preflight,
    readiness,
    rollout,
    saved_plan,
    state_guard,
    workspace,
)
from generator.operations.field_changes import Notice
from generator.operations.machines import Snapshot
from generator.operations.project import Project
from generator.operations.review import Review, review
from generator.operations.rollout import Batch
from generator.operations.saved_plan import SavedPlan
from generator.operations.steps import Step
from generator.operations.workspace import Workspace
from generator.progress import Progress
from generator.terraform import Plan


@dataclass
class Apply:
    """What the steps share. `may_destroy` names machines that the plan may destroy; `timeout` is in seconds since the
    last progress of what is waited for.

    `show` gets the plan for review and a remark about it, `approve` a question: UserError where the answer is no.
    """

    project: Project
    progress: Progress
    may_destroy: Sequence[str]
    timeout: float
    show: Callable[[Review, str], None]
    approve: Callable[[str], None]
    saved: SavedPlan | None = None  # what is applied instead of a new plan
    workspace: Workspace = field(init=False)
    notices: tuple[Notice, ...] = field(init=False)  # what is said of changed fields
    plan: Plan = field(init=False)
    rest: Plan = field(init=False)  # what the rollout leaves to apply
    batches: tuple[Batch, ...] = field(init=False)
    kubeconfig: Path = field(init=False)
    ready: Snapshot = field(init=False)


def _changes(run: Apply) -> bool:
    return not run.plan.empty


def _is_saved(run: Apply) -> bool:
    return run.saved is not None


def _is_new(run: Apply) -> bool:
    return run.saved is None


def _check_saved(run: Apply) -> None:
    assert run.saved
    saved_plan.check_inputs(run.saved, run.project)


def _render(run: Apply) -> None:
    # A saved plan has the secrets' versions in it, so nothing is renewed for it.
    run.workspace = workspace.render(run.project, run.progress, pki.ANY_AGE if run.saved else pki.TOKEN_AGE)


def _preflight(run: Apply) -> None:
    preflight.require(preflight.failures(run.workspace, run.progress))


def _open_state(run: Apply) -> None:
    if run.saved:
        saved_plan.install_providers(run.saved, run.project.folder)
    planning.initialise(run.workspace, run.progress)


def _check_state(run: Apply) -> None:
    state_guard.check(run.workspace)


def _compare(run: Apply) -> None:
    run.notices = field_changes.check(run.workspace)


def _plan(run: Apply) -> None:
    run.plan = planning.plan(run.workspace, run.progress, run.may_destroy)


def _open_saved(run: Apply) -> None:
    assert run.saved
    run.plan = saved_plan.open_plan(run.saved, run.workspace)


def _order(run: Apply) -> None:
    run.batches = rollout.batches(run.workspace, run.plan)


def _show(run: Apply) -> None:
    run.show(review(run.workspace, run.plan, run.notices), rollout.describe(run.batches))


def _guard(run: Apply) -> None:
    destroy_guard.check(run.plan, run.may_destroy, run.project.provider.addresses)


def _approve(run: Apply) -> None:
    run.approve(f"Apply this to cluster {run.project.name} on {run.project.provider.name}?")


def _prepare(run: Apply) -> None:
    artifacts.prepare(run.workspace, run.plan, run.progress)


def _roll_out(run: Apply) -> None:
    run.rest = rollout.run(run.workspace, run.plan, run.batches, run.progress, run.may_destroy, run.timeout)


def _apply(run: Apply) -> None:
    with run.progress.phase("apply"):
        planning.apply(run.workspace, run.rest)


def _kubeconfig(run: Apply) -> None:
    run.kubeconfig = kubeconfig.write(run.project, run.workspace.terraform)


def _wait(run: Apply) -> None:
    with run.progress.phase("wait for every machine to be Ready"):
        run.ready = readiness.wait(run.project, run.workspace.topology, run.kubeconfig, run.progress, run.timeout)


def _remove_departed(run: Apply) -> None:
    nodes = departed_nodes.departed(run.ready.nodes, run.ready.machines)
    departed_nodes.remove(run.kubeconfig, nodes, run.progress)


def _check(run: Apply) -> None:
    with run.progress.phase("wait until the cluster works"):
        run.ready = cluster_health.wait(run.project, run.workspace.topology, run.kubeconfig, run.progress, run.timeout)


STEPS: tuple[Step[Apply], ...] = (
    Step("Check what the saved plan was made from", _check_saved, when=_is_saved),
    Step("Render the folder", _render),
    Step("Check that the target can hold the cluster", _preflight),
    Step("Open the state", _open_state),
    Step("Refuse to go on without the state of a cluster that is there", _check_state),
    Step("Refuse changes of fields that never change", _compare),
    Step("Plan the changes", _plan, when=_is_new),
    Step("Open the saved plan", _open_saved, when=_is_saved),
    Step("Order the control plane's machines for a rollout", _order),
    Step("Show the plan", _show),
    Step("Refuse to destroy etcd data or the control plane unless named", _guard),
    Step("Ask for approval", _approve, when=_changes),
    Step("Fetch images and packages", _prepare, when=_changes),
    Step("Roll out to the control plane, machine by machine", _roll_out, when=_changes),
    Step("Apply the rest of the plan", _apply, when=_changes),
    Step("Write the kubeconfig", _kubeconfig),
    Step("Wait for every machine to be Ready", _wait),
    Step("Remove the nodes of departed machines", _remove_departed),
    Step("Wait until the cluster works", _check),
)
