"""The steps of `anywhere apply`: from a definition to a cluster that works."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from generator import registry_login
from generator.lock import Lock
from generator.operations import (
    artifacts,
    cluster_health,
    cluster_secrets,
    departed_nodes,
    destroy_guard,
    field_changes,
    keeping,
    kubeconfig,
    lock_file,
    planning,
    preflight,
    readiness,
    retirement,
    rollout,
    saved_plan,
    state_guard,
    store_guard,
    workspace,
)
from generator.operations.cluster_secrets import Change, Prepared, unchanged
from generator.operations.etcd_restore import Restoring
from generator.operations.field_changes import Notice
from generator.operations.machines import Snapshot
from generator.operations.project import Project, wanted
from generator.operations.resolution import Making
from generator.operations.review import Review, review
from generator.operations.rollout import Batch
from generator.operations.saved_plan import SavedPlan
from generator.operations.steps import Step
from generator.operations.workspace import Workspace
from generator.pki import Renewal
from generator.progress import Progress
from generator.terraform import Plan


@dataclass
class Apply:
    """What the steps share. `may_destroy` names machines that the plan may destroy; `timeout` is in seconds since the
    last progress of what is waited for.

    What the lock lacks is resolved unless it is `frozen`. `show` gets the plan for review and a remark about it,
    `approve` a question: UserError where the answer is no.
    """

    project: Project
    progress: Progress
    may_destroy: Sequence[str]
    timeout: float
    show: Callable[[Review, str], None]
    approve: Callable[[str], None]
    saved: SavedPlan | None = None  # what is applied instead of a new plan
    frozen: bool = False
    allow_downgrade: bool = False
    restoring: Restoring | None = None  # what becomes of etcd's data meanwhile
    rotate: Change = unchanged  # the phase of a rotation that this is to bring to the machines
    known: Lock | None = field(init=False)  # the lock on disk
    lock: Lock = field(init=False)  # the lock as it will be kept
    secrets: Prepared = field(init=False)
    unkept: tuple[Path, ...] = field(init=False)  # the files that must be written
    workspace: Workspace = field(init=False)
    notices: tuple[Notice, ...] = field(init=False)  # what is said of changed fields
    plan: Plan = field(init=False)
    rest: Plan = field(init=False)  # what the rollout leaves to apply
    batches: tuple[Batch, ...] = field(init=False)
    kubeconfig: Path = field(init=False)
    ready: Snapshot = field(init=False)


def _changes(run: Apply) -> bool:
    return not run.plan.empty


def _unkept(run: Apply) -> bool:
    return bool(run.unkept)


def _changes_or_unkept(run: Apply) -> bool:
    return _changes(run) or _unkept(run)


def _is_saved(run: Apply) -> bool:
    return run.saved is not None


def _is_new(run: Apply) -> bool:
    return run.saved is None


def _check_saved(run: Apply) -> None:
    assert run.saved
    saved_plan.check_inputs(run.saved, run.project)


def _refuse_foreign(run: Apply) -> None:
    workspace.open_own(run.project, run.progress)


def _check_login(run: Apply) -> None:
    registry_login.of(run.project.definition)


def _resolves_everything(run: Apply) -> bool:
    return run.saved is None and lock_file.known(run.project) is None


def _refuse_lost(run: Apply) -> None:
    store_guard.check_present(run.project, None)
    state_guard.check_not_elsewhere(run.project)


def _refuse_unfit(run: Apply) -> None:
    preflight.require(preflight.needed(preflight.failures(run.project, wanted(run.project))))


def _resolve(run: Apply) -> None:
    run.known = lock_file.known(run.project)
    if run.frozen or run.saved:
        run.lock = lock_file.resolve_nothing(run.project)
        lock_file.check_founded(run.project, run.lock)
    else:
        resolved = lock_file.resolve(run.project, Making(run.project, run.progress), run.progress)
        run.lock = lock_file.founded(run.project, resolved)


def _prepare_secrets(run: Apply) -> None:
    # A saved plan has the secrets' versions in it, so nothing is renewed for it.
    renewal = Renewal.NOTHING if run.saved else Renewal.ALL
    run.secrets = cluster_secrets.prepare(run.project, run.known, renewal, run.rotate)
    run.lock = cluster_secrets.recorded(run.lock, run.secrets.known, run.project.provider.name)
    run.unkept = keeping.unkept(run.project, run.known, run.lock, run.secrets)


def _render(run: Apply) -> None:
    secrets, restore = run.secrets.known, None
    if run.restoring:
        secrets, restore = run.restoring.with_document(secrets), run.restoring.restore
    run.workspace = workspace.render(run.project, run.lock, secrets, run.progress, restore)


def _put_back(run: Apply) -> None:
    workspace.put_back(run.workspace)


def _preflight(run: Apply) -> None:
    failed = preflight.failures(run.project, run.workspace.topology)
    preflight.warn(failed, run.progress)
    preflight.require(preflight.needed(failed))


def _open_state(run: Apply) -> None:
    if run.saved:
        saved_plan.install_providers(run.saved, run.project.folder)
    planning.initialise(run.workspace, run.progress)


def _check_state(run: Apply) -> None:
    state_guard.check(run.workspace)


def _compare(run: Apply) -> None:
    run.notices = field_changes.check(run.workspace, allow_downgrade=run.allow_downgrade)


def _plan(run: Apply) -> None:
    run.plan = planning.plan(run.workspace, run.progress, run.may_destroy)


def _open_saved(run: Apply) -> None:
    assert run.saved
    run.plan = saved_plan.open_plan(run.saved, run.workspace)


def _order(run: Apply) -> None:
    run.batches = rollout.batches(run.workspace, run.plan)


def _show(run: Apply) -> None:
    remarks = (
        destroy_guard.remark(run.plan, run.may_destroy, run.project.provider.addresses),
        rollout.describe(run.batches),
        keeping.describe(run.unkept),
        cluster_secrets.remark_on_recipients(run.project),
        cluster_secrets.remark_on_rotation(run.project) if run.rotate is unchanged else "",
    )
    run.show(review(run.workspace, run.plan, run.notices), "\n".join(filter(None, remarks)))


def _guard(run: Apply) -> None:
    destroy_guard.check(run.plan, run.may_destroy, run.project.provider.addresses)


def _approve(run: Apply) -> None:
    run.approve(f"Apply this to cluster {run.project.name} on {run.project.provider.name}?")


def _keep(run: Apply) -> None:
    keeping.keep(run.project, run.known, run.lock, run.secrets, run.progress)


def _prepare(run: Apply) -> None:
    artifacts.prepare(run.workspace, run.plan, run.progress)


def _any_leaves(run: Apply) -> bool:
    return bool(retirement.leaving(run.workspace, run.plan))


def _retire(run: Apply) -> None:
    run.plan = retirement.run(run.workspace, run.plan, run.may_destroy, run.progress, run.timeout)


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
    Step("Refuse the state of another cluster", _refuse_foreign),
    Step("Refuse to go on without the login to the registry", _check_login),
    Step("Refuse to make images for a cluster that is elsewhere", _refuse_lost, _resolves_everything),
    Step("Refuse to make images for what the target cannot hold", _refuse_unfit, _resolves_everything),
    Step("Resolve what the lock lacks", _resolve),
    Step("Make or renew the secrets, in memory", _prepare_secrets),
    Step("Render the folder", _render, undo=_put_back),
    Step("Check that the target can hold the cluster", _preflight),
    Step("Open the state", _open_state),
    Step("Refuse to go on without the state of a cluster that is there", _check_state),
    Step("Refuse changes of fields that never change", _compare),
    Step("Plan the changes", _plan, when=_is_new),
    Step("Open the saved plan", _open_saved, when=_is_saved),
    Step("Order the control plane's machines for a rollout", _order),
    Step("Show the plan", _show),
    Step("Refuse to destroy etcd data or the control plane unless named", _guard),
    Step("Ask for approval", _approve, when=_changes_or_unkept, final=True),
    Step("Write the lock and the secrets", _keep, when=_unkept),
    Step("Fetch images and packages", _prepare, when=_changes),
    Step("Have machines that go leave the control plane", _retire, when=_any_leaves),
    Step("Roll out to the control plane, machine by machine", _roll_out, when=_changes),
    Step("Apply the rest of the plan", _apply, when=_changes),
    Step("Write the kubeconfig", _kubeconfig),
    Step("Wait for every machine to be Ready", _wait),
    Step("Remove the nodes of departed machines", _remove_departed),
    Step("Wait until the cluster works", _check),
)
