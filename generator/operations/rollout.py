"""Machines of the control plane that a plan stops: each in its turn, while all others serve."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from generator import status
from generator.errors import UserError
from generator.operations import destroy_guard, readiness, workspace
from generator.operations.readiness import Look
from generator.operations.workspace import Work
from generator.progress import Progress
from generator.status import Row
from generator.terraform import Change, Plan
from providers import Observed

# What is a machine on each target, and not the subnet or the address that has its name.
MACHINE = re.compile(r'(?:instance|machine)\.machine\["(?P<machine>(?:etcd|master)\d+)"\]$')

UNHEARD = "It was started, and nothing has been heard of it since."


@dataclass(frozen=True, slots=True)
class Turn:
    """Machines that are changed together; `targets` are their addresses in the plan, with their volumes and the like.

    `serving` says whether they do their work until then. One that does not has nothing to lose, and nobody waits for it
    before its turn.
    """

    machines: tuple[str, ...]
    targets: tuple[str, ...]
    serving: bool


def order(work: Work, plan: Plan) -> tuple[Turn, ...]:
    """The turns that come before the rest of `plan`; () where it stops no machine that others build on.

    What is off or missing is brought up first, all of it; then come those that ail, then those that are well. Where
    too many ail for etcd to have a quorum, one alone would never be Ready again: these come at once, too.
    """
    actions = _actions(plan)
    if len(work.topology.fixed) < 2 or "update" not in actions.values() or not work.terraform.outputs().get("api"):
        return ()
    running = {o.name: o for o in work.project.provider.observe(work.project.definition) if o.running}
    off = [m.name for m in work.topology.fixed if m.name not in running and _targets(plan, m.name)]
    ailing = [name for name in actions if name in running and not _serves(running[name])]
    well = [name for name, action in actions.items() if action == "update" and name not in (*off, *ailing)]
    members = [machine.name for machine in work.topology.having("etcd")]
    if 2 * sum(name not in (*off, *ailing) for name in members) <= len(members):
        off, ailing = [*off, *ailing], []
    if not any(actions[name] == "update" for name in (*ailing, *well)):
        return ()
    together = [_turn(plan, off, serving=False)] if off else []
    return (*together, *(_turn(plan, [name], serving=name in well) for name in (*ailing, *well)))


def announce(turns: Sequence[Turn]) -> str:
    """One line about `turns`, "" where there is but one or none."""
    names = list(chain.from_iterable(turn.machines for turn in turns))
    if len(names) < 2:
        return ""
    return f"The control plane's machines are taken one at a time, each once the others are Ready: {', '.join(names)}."


def take(
    work: Work, whole: Plan, turns: Sequence[Turn], progress: Progress, may_destroy: Sequence[str], timeout: float
) -> Plan:
    """Apply `turns` of the plan that the user agreed to, each waited for; what is left to apply, planned anew."""
    if not turns:
        return whole
    kubeconfig = workspace.kubeconfig(work.project, work.terraform)

    def settle(title: str, behind: readiness.Behind) -> Look:
        with progress.phase(title):
            return readiness.until_ready(work.project, work.topology, kubeconfig, progress, timeout, behind)

    try:
        look = settle("look whether the control plane serves", _not_serving(_awaited(work, turns)))
    except UserError as error:
        raise _stopped("No machine is stopped while the control plane is not well.", error, turns) from None
    for number, turn in enumerate(turns, 1):
        names = ", ".join(turn.machines)
        with progress.phase(f"change {names}"):
            part = workspace.plan(work, may_destroy, turn.targets)
            own = (c for c in whole.changes if c.address in turn.targets or not _is_machine(c))
            _refuse_more(part, own, may_destroy)
            work.terraform.apply(part, work.values)
        try:
            look = settle(f"wait for {names} to be Ready", _not_back(_awaited(work, turns[number:]), look))
        except UserError as error:
            raise _stopped(f"{names} did not come back as it should.", error, turns[number:]) from None
    rest = workspace.planned(work, progress, may_destroy)
    taken = {address for turn in turns for address in turn.targets}
    left = (c for c in whole.changes if c.address not in taken or not _is_machine(c))
    _refuse_more(rest, left, may_destroy)
    return rest


def _actions(plan: Plan) -> dict[str, str]:
    """The plan's machines of the control plane that it does not take away, and what it does with each."""
    found = ((MACHINE.search(change.address), change.action) for change in plan.changes)
    return {match["machine"]: action for match, action in found if match and action in ("create", "update", "replace")}


def _is_machine(change: Change) -> bool:
    return bool(MACHINE.search(change.address))


def _serves(machine: Observed) -> bool:
    """Whether it says that it is ready, if it can be heard at all."""
    said = status.stages(machine.console)
    return not machine.console or (said.stage == "ready" and not said.failed)


def _turn(plan: Plan, names: Sequence[str], *, serving: bool) -> Turn:
    return Turn(tuple(names), tuple(chain.from_iterable(_targets(plan, name) for name in names)), serving)


def _targets(plan: Plan, name: str) -> list[str]:
    return [change.address for change in plan.changes if change.address.endswith(f'["{name}"]')]


def _awaited(work: Work, coming: Iterable[Turn]) -> set[str]:
    """The machines that must be well now: the whole control plane but those which are `coming` to be mended."""
    mended = {name for turn in coming if not turn.serving for name in turn.machines}
    return {machine.name for machine in work.topology.fixed} - mended


def _not_serving(names: set[str]) -> readiness.Behind:
    """Those of `names` that do not their work, whatever release they run: the one to come is not applied yet."""

    def behind(look: Look) -> tuple[Row, ...]:
        heard = {machine.name for machine in look.machines if not _is_unheard(machine)}
        rows = [row for row in look.rows if row.machine in names]
        down = [row for row in rows if not row.running or row.ready is False]
        return (*down, *(replace(row, note=UNHEARD) for row in rows if row not in down and row.machine not in heard))

    return behind


def _not_back(names: set[str], before: Look) -> readiness.Behind:
    """Those of `names` that are not as wanted, or of which only what they were `before` is seen."""

    def behind(look: Look) -> tuple[Row, ...]:
        rows = [row for row in look.rows if row.machine in names]
        old = [replace(row, note=UNHEARD) for row in rows if row.healthy and not _is_news(row.machine, before, look)]
        return (*status.unready(rows), *old)

    return behind


def _is_news(name: str, before: Look, now: Look) -> bool:
    """Whether what is seen of a machine was said since its last start.

    The console and the API go on for a while to tell of a machine that was stopped as it was before.
    """
    was, seen = (next((m for m in look.machines if m.name == name), None) for look in (before, now))
    if seen is None or (was and was.started == seen.started):
        return seen is not None
    boots = [next((node.boot for node in look.nodes if node.name == name), "") for look in (before, now)]
    if boots[0] and boots[0] == boots[1]:
        return False
    old = status.stages(was.console).marks if was else ()
    new = status.stages(seen.console).marks
    return bool(new) and (not old or new[: len(old)] != old)


def _is_unheard(machine: Observed) -> bool:
    """Whether what a machine's console says, if anything, is of an earlier start: it runs for less than that took."""
    marks = status.stages(machine.console).marks
    least = marks[-1][1] if marks else readiness.PATIENCE_SECONDS
    return bool(machine.started) and time.time() - machine.started < least


def _refuse_more(plan: Plan, agreed: Iterable[Change], may_destroy: Sequence[str]) -> None:
    """UserError where `plan` takes away, or changes a machine, beyond the changes that are `agreed` to."""
    destroy_guard.refuse(plan, may_destroy)
    grave = {change for change in plan.changes if change.action in ("delete", "replace") or _is_machine(change)}
    if more := sorted(change.address for change in grave.difference(agreed)):
        raise UserError(
            f"There is more to change by now than what you agreed to: {', '.join(more)}.",
            "Apply again: the new plan shows all that is left.",
        )


def _stopped(why: str, error: UserError, coming: Sequence[Turn]) -> UserError:
    """`error` as the end of a roll: what was not touched yet, and how it goes on."""
    names = ", ".join(chain.from_iterable(turn.machines for turn in coming))
    left = f"Not touched yet: {names}." if names else "All others were changed."
    return UserError(f"{why} {error.message}", f"{left} The same command goes on from there. {error.hint}".rstrip())
