"""How long a cluster is waited for: as long as it moves."""

from __future__ import annotations

import re
import time
from collections.abc import Hashable, Iterable, Iterator, Sequence

from generator import status
from generator.errors import UserError
from generator.operations.machines import Snapshot
from generator.status import Row
from providers import Check, Observed

# Nodes retry a failed stage by themselves; one that has failed for this long will not recover.
GIVE_UP_SECONDS = 120.0
# The name of a new load balancer resolves, and leads to its machines, only after some minutes.
UNREACHABLE_SECONDS = 300.0

# Times, counts, addresses and identifiers: a line that differs from another in these alone says nothing new.
_NUMBERS = re.compile(r"\S*\d\S*")
_LINE = 200  # characters of a line that are compared
_FAILURE = "anywhere: failed "


class Patience:
    """When to stop waiting. It ends `timeout` seconds after the last progress.

    Progress is what was not seen before: a machine's state or a new line on its console, other than one that reports
    a failure or that repeats itself; a node; a pod of an add-on that became available. A machine that starts over and
    over, or fails again and again, makes none.
    """

    def __init__(self, timeout: float, api_remedy: str) -> None:
        self._timeout, self._api_remedy = timeout, api_remedy
        self._seen: set[Hashable] = set()
        self._moved = self._looked = time.monotonic()
        self._consoles: dict[str, str] = {}
        self._failing: dict[str, float] = {}  # for how many seconds, of those that were looked at
        self._stages: dict[str, set[str]] = {}
        self._unheard_since: float | None = None

    def spend(
        self,
        now: Snapshot,
        late: Sequence[Row],
        checks: Sequence[Check] = (),
        states: Iterable[Hashable] = (),
        refused: Sequence[str] = (),
    ) -> None:
        """Say what is waited for: `late` machines, or `checks` that fail. UserError where that makes no sense.

        `states` are what else changes with progress. `refused` are add-ons that the API does not take as they are:
        that may change as long as anything else does.
        """
        clock = time.monotonic()
        if self._is_new([*_states(now), *self._lines(now.machines), *(check.subject for check in checks), *states]):
            self._moved = clock
        given_up = self._given_up(now.machines, {row.machine for row in late}, clock - self._looked)
        self._looked = clock
        if given_up:
            raise not_ready(late, checks, f"and {', '.join(given_up)} failed for {GIVE_UP_SECONDS:.0f} s")
        self._refuse_out_of_reach(now, late, clock)
        if refused and not late and clock - self._moved > min(self._timeout, GIVE_UP_SECONDS):
            raise not_ready(late, checks, f"and the API refuses a part of {', '.join(refused)}")
        if clock - self._moved > self._timeout:
            raise not_ready(late, checks, f"and nothing has changed for {clock - self._moved:.0f} s")

    def _is_new(self, facts: Iterable[Hashable]) -> bool:
        new = set(facts) - self._seen
        self._seen |= new
        return bool(new)

    def _lines(self, machines: Iterable[Observed]) -> Iterator[Hashable]:
        """The lines on each console, of those that were not read before."""
        for machine in machines:
            before = self._consoles.get(machine.name, "")
            # Clouds keep only the end of a console.
            text = machine.console.removeprefix(before) if before else machine.console
            self._consoles[machine.name] = machine.console
            for line in text.splitlines():
                if _FAILURE not in line:
                    yield machine.name, machine.started, _NUMBERS.sub("", line[:_LINE])

    def _given_up(self, machines: Iterable[Observed], late: set[str], passed: float) -> list[str]:
        """Those of `late` that have failed for too long since they last reached another stage.

        Between two failures, a machine goes through the stages before once more.
        """
        for machine in machines:
            console = status.stages(machine.console)
            reached, known = {stage for stage, _ in console.marks}, self._stages.setdefault(machine.name, set())
            if not reached <= known or machine.name not in late:
                self._failing.pop(machine.name, None)
            known |= reached
            if machine.name in late and (console.failed or not machine.running):
                self._failing[machine.name] = self._failing.get(machine.name, -passed) + passed
        return sorted(name for name, seconds in self._failing.items() if seconds > GIVE_UP_SECONDS)

    def _refuse_out_of_reach(self, now: Snapshot, late: Sequence[Row], clock: float) -> None:
        """UserError where this computer has not reached the API for long, though every late machine is ready."""
        if not (now.unheard and all(map(_reports_ready, late))):
            self._unheard_since = None
        elif self._unheard_since is None:
            self._unheard_since = clock
        elif clock - self._unheard_since > UNREACHABLE_SECONDS:
            raise out_of_reach(now.unheard, self._api_remedy)


def not_ready(rows: Sequence[Row], checks: Sequence[Check], when: str) -> UserError:
    """The error where the cluster does not become Ready, with the reason of each machine and each failed check."""
    lines = [f"  {row.machine}: {row.note or 'it is not Ready'}" for row in rows]
    lines += [f"  {check.subject}: {check.detail} {check.hint}".rstrip() for check in checks]
    return UserError(
        f"The cluster is not Ready, {when}:\n" + "\n".join(lines),
        "The machines are kept. `anywhere doctor` checks them again; `anywhere apply` continues.",
    )


def out_of_reach(unheard: str, remedy: str) -> UserError:
    """The error where every machine is ready, but this computer does not reach their API."""
    return UserError(
        f"Every machine says that it is ready, but this computer does not reach the API. {unheard}", remedy
    )


def _states(now: Snapshot) -> Iterator[Hashable]:
    yield from ((m.name, m.running, m.started) for m in now.machines)
    yield from ((r.machine, r.presence, r.stage, r.ready, r.converged, r.version) for r in now.rows)
    yield from ((node.name, node.ready, node.taints) for node in now.nodes)
    if now.progress:
        yield now.progress.release, now.progress.left, now.progress.retired, now.progress.members


def _reports_ready(row: Row) -> bool:
    """Whether a machine itself reports that it is as wanted."""
    return row.presence == "present" and row.running and row.converged and row.stage == "ready"
