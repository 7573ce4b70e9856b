"""The rollout of changes that restart control-plane machines: one at a time, each while all others serve."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from generator import status
from generator.errors import UserError
from generator.operations import destroy_guard, kubeconfig, patience, planning, readiness
from generator.operations.machines import Snapshot
from generator.operations.readiness import Pending
from generator.operations.workspace import Workspace
from generator.progress import Progress
from generator.status import Row
from generator.terraform import Change, Plan
from generator.topology import is_control_plane
from providers import Addresses, Observed

SILENT = "It was started, and has not reported anything since."


@dataclass(frozen=True, slots=True)
class Batch:
    """Machines that are changed together; `targets` are their addresses in the plan, with their volumes and the like.

    `serving` says whether they work until then. Machines that do not work have nothing to lose, so nobody waits for
    them before their batch.
    """

    machines: tuple[str, ...]
    targets: tuple[str, ...]
    serving: bool


def batches(workspace: Workspace, plan: Plan) -> tuple[Batch, ...]:
    """The batches that come before the rest of `plan`; () where it stops no machine that others depend on.

    Machines that are off or missing come first, all at once; then unhealthy ones, then healthy ones, one at a time.
    Where so many are unhealthy that etcd has no quorum, a single one would never become Ready: they join the first
    batch.
    """
    topology, provider = workspace.topology, workspace.project.provider
    actions = _actions(plan, provider.addresses)
    if len(topology.fixed) < 2 or "update" not in actions.values() or not workspace.terraform.outputs().get("api"):
        return ()
    running = {o.name: o for o in provider.observe(workspace.project.definition) if o.running}
    off = [m.name for m in topology.fixed if m.name not in running and _targets(plan, m.name)]
    unhealthy = [name for name in actions if name in running and not _serves(running[name])]
    healthy = [name for name, action in actions.items() if action == "update" and name not in (*off, *unhealthy)]
    members = [machine.name for machine in topology.having("etcd")]
    if 2 * sum(name not in (*off, *unhealthy) for name in members) <= len(members):
        off, unhealthy = [*off, *unhealthy], []
    if not any(actions[name] == "update" for name in (*unhealthy, *healthy)):
        return ()
    together = [_batch(plan, off, serving=False)] if off else []
    return (*together, *(_batch(plan, [name], serving=name in healthy) for name in (*unhealthy, *healthy)))


def describe(batches: Sequence[Batch]) -> str:
    """One line about the rollout, "" where it has at most one machine."""
    names = list(chain.from_iterable(batch.machines for batch in batches))
    if len(names) < 2:
        return ""
    return f"The control plane's machines are taken one at a time, each once the others are Ready: {', '.join(names)}."


def run(
    workspace: Workspace,
    whole: Plan,
    batches: Sequence[Batch],
    progress: Progress,
    may_destroy: Sequence[str],
    timeout: float,
) -> Plan:
    """Apply the batches of the approved plan `whole`, one after another; a new plan of the rest.

    Each is waited for, until `timeout` seconds after its last progress.

    UserError where a machine does not come back, or where there is more to change than was approved.
    """
    if not batches:
        return whole
    path = kubeconfig.write(workspace.project, workspace.terraform)

    def settle(title: str, pending: Pending) -> Snapshot:
        with progress.phase(title):
            return readiness.wait(workspace.project, workspace.topology, path, progress, timeout, pending)

    try:
        last = settle("check that the control plane serves", _not_serving(_expected(workspace, batches)))
    except UserError as error:
        raise _stopped("No machine is stopped while the control plane is not well.", error, batches) from None
    for number, batch in enumerate(batches, 1):
        names, coming = ", ".join(batch.machines), batches[number:]
        with progress.phase(f"change {names}"):
            _change(workspace, whole, batch, may_destroy)
        try:
            last = settle(f"wait for {names} to be Ready", _not_back(_expected(workspace, coming), last))
        except UserError as error:
            raise _stopped(f"{names} did not come back as it should.", error, coming) from None
    return _plan_rest(workspace, whole, batches, progress, may_destroy)


def _change(workspace: Workspace, whole: Plan, batch: Batch, may_destroy: Sequence[str]) -> None:
    """Plan the machines of one batch and apply that, unless it is more than `whole`."""
    part = planning.plan_targets(workspace, may_destroy, batch.targets)
    addresses = workspace.project.provider.addresses
    own = (c for c in whole.changes if c.address in batch.targets or not _is_machine(c, addresses))
    refuse_more(part, own, may_destroy, addresses)
    planning.apply(workspace, part)


def _plan_rest(
    workspace: Workspace, whole: Plan, batches: Sequence[Batch], progress: Progress, may_destroy: Sequence[str]
) -> Plan:
    """What is left of `whole` after all batches; UserError where it is more than that."""
    rest = planning.plan(workspace, progress, may_destroy)
    changed = {address for batch in batches for address in batch.targets}
    addresses = workspace.project.provider.addresses
    left = (c for c in whole.changes if c.address not in changed or not _is_machine(c, addresses))
    refuse_more(rest, left, may_destroy, addresses)
    return rest


def _actions(plan: Plan, addresses: Addresses) -> dict[str, str]:
    """The control-plane machines that the plan keeps or makes, and what it does with each."""
    kept = ("create", "update", "replace")
    return {c.key: c.action for c in plan.changes if _is_machine(c, addresses) and c.action in kept}


def _is_machine(change: Change, addresses: Addresses) -> bool:
    """Whether it is a control-plane machine itself, and not the subnet or the address that has its name."""
    return change.resource == addresses.machine and is_control_plane(change.key)


def _serves(machine: Observed) -> bool:
    """Whether the machine reports that it is ready, or has no console to report on."""
    console = status.stages(machine.console)
    return not machine.console or (console.stage == "ready" and not console.failed)


def _batch(plan: Plan, names: Sequence[str], *, serving: bool) -> Batch:
    return Batch(tuple(names), tuple(chain.from_iterable(_targets(plan, name) for name in names)), serving)


def _targets(plan: Plan, name: str) -> list[str]:
    return [change.address for change in plan.changes if change.key == name]


def _expected(workspace: Workspace, coming: Iterable[Batch]) -> set[str]:
    """The machines that must work now: the whole control plane, except those that `coming` batches are to repair."""
    repaired = {name for batch in coming if not batch.serving for name in batch.machines}
    return {machine.name for machine in workspace.topology.fixed} - repaired


def _not_serving(names: set[str]) -> Pending:
    """Those of `names` that do not work, whatever release they run: the new one is not applied yet."""

    def pending(now: Snapshot) -> tuple[Row, ...]:
        reported = {machine.name for machine in now.machines if not _is_silent(machine)}
        rows = [row for row in now.rows if row.machine in names]
        down = [row for row in rows if not row.running or row.ready is False]
        silent = (row for row in rows if row not in down and row.machine not in reported)
        return (*down, *(replace(row, note=SILENT) for row in silent))

    return pending


def _not_back(names: set[str], before: Snapshot) -> Pending:
    """Those of `names` that are not as wanted, or have not reported anything since the snapshot `before`."""

    def pending(now: Snapshot) -> tuple[Row, ...]:
        rows = [row for row in now.rows if row.machine in names]
        old = [replace(row, note=SILENT) for row in rows if row.healthy and not _is_news(row.machine, before, now)]
        return (*status.unready(rows), *old)

    return pending


def _is_news(name: str, before: Snapshot, now: Snapshot) -> bool:
    """Whether what is known of a machine was reported since its last start.

    For a while, the console and the API still show a stopped machine as it was before.
    """
    was, seen = (next((m for m in snapshot.machines if m.name == name), None) for snapshot in (before, now))
    if seen is None or (was and was.started == seen.started):
        return seen is not None
    boots = [next((node.boot for node in snapshot.nodes if node.name == name), "") for snapshot in (before, now)]
    if boots[0] and boots[0] == boots[1]:
        return False
    old = status.stages(was.console).marks if was else ()
    new = status.stages(seen.console).marks
    return bool(new) and (not old or new[: len(old)] != old)


def _is_silent(machine: Observed) -> bool:
    """Whether a machine's console has nothing of its current start: it runs for less time than its marks took."""
    marks = status.stages(machine.console).marks
    least = marks[-1][1] if marks else patience.GIVE_UP_SECONDS
    return bool(machine.started) and time.time() - machine.started < least


def refuse_more(plan: Plan, approved: Iterable[Change], may_destroy: Sequence[str], addresses: Addresses) -> None:
    """UserError where `plan` destroys something, or changes a machine, beyond the `approved` changes."""
    destroy_guard.check(plan, may_destroy, addresses)
    grave = {c for c in plan.changes if c.action in ("delete", "replace") or _is_machine(c, addresses)}
    if more := sorted(change.address for change in grave.difference(approved)):
        raise UserError(
            f"More has to change now than you approved: {', '.join(more)}.",
            "Apply again and review the new plan.",
        )


def _stopped(why: str, error: UserError, coming: Sequence[Batch]) -> UserError:
    """`error` as the end of a rollout: what was not changed yet, and how to continue."""
    names = ", ".join(chain.from_iterable(batch.machines for batch in coming))
    left = f"Not touched yet: {names}." if names else "All others were changed."
    return UserError(f"{why} {error.message}", f"{left} The same command goes on from there. {error.hint}".rstrip())
