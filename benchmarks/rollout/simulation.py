"""A cluster of one real control plane and many waiting machines, and what happens to it."""

from __future__ import annotations

import hashlib
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agent import host, progress
from agent.progress import Record
from agent.rollout import wanted

from benchmarks.rollout import control_plane, fleet, leader, nodes, place, store
from benchmarks.rollout.counts import Counts, count
from benchmarks.rollout.journal import Journal, Wave
from benchmarks.rollout.leader import Pace
from benchmarks.rollout.machine import ROLE, Machine
from benchmarks.rollout.place import Place
from benchmarks.rollout.store import Store
from generator import pki, topology
from generator.definition import Definition
from generator.errors import UserError
from generator.store import Secrets

PATIENCE = 3600.0  # seconds for anything to happen


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a stretch cost. `touched` machines stopped something; `halted` seconds after one had put it back."""

    cost: Counts
    waves: tuple[Wave, ...] = ()
    touched: int = 0
    halted: float | None = None


class Simulation:
    """A cluster that runs; `pids` are the processes whose CPU is told."""

    def __init__(self, where: Place, served: Store, machines: list[Machine], pids: Mapping[str, int]) -> None:
        self._place, self._store, self._machines, self._pids = where, served, machines, pids
        self._journal = Journal(where)

    def publish(self, text: str) -> None:
        """Have a release where all look for it; the master runs it already."""
        client = self._place.etcd_client()
        for name, components in wanted(host.release(text)).items():
            client.put(f"{progress.PREFIX}{name}", Record(_digest(text), frozenset(components)).text())
        self._store.publish(text)

    def settle(self, text: str) -> None:
        """Wait until every worker has said that it runs a release, and the master has told so."""
        _until("every worker runs the release", lambda: self._ran(text) and self._journal.status().get("left") == [])

    def calm(self, seconds: float) -> Outcome:
        """Nothing changes."""
        return Outcome(self._counted(lambda: time.sleep(seconds)))

    def roll_out(self, text: str) -> Outcome:
        """A release that works, until every worker runs it."""
        begin = time.monotonic()

        def follow() -> None:
            self.publish(text)
            _until("every worker runs the release", lambda: self._ran(text))

        cost = self._counted(follow)
        return Outcome(cost, tuple(self._journal.waves(_digest(text), begin)), self._touched(text))

    def halt(self, text: str, seconds: float) -> Outcome:
        """A release that a worker puts back, until that is told, and for `seconds` more."""
        told: list[float] = []

        def follow() -> None:
            self.publish(text)
            _until("the rollout is halted", lambda: bool(self._journal.status().get("halted")))
            told.append(time.time())
            time.sleep(seconds)

        cost = self._counted(follow)
        failed = min(machine.failed.stat().st_mtime for machine in self._machines if machine.failed.exists())
        return Outcome(cost, touched=self._touched(text), halted=told[0] - failed)

    def _counted(self, follow: Callable[[], None]) -> Counts:
        before = count(self._place, self._store, self._pids)
        follow()
        return count(self._place, self._store, self._pids).since(before)

    def _ran(self, text: str) -> bool:
        return len(self._journal.done.get(_digest(text), {})) == len(self._machines)

    def _touched(self, text: str) -> int:
        return sum(machine.touched(_digest(text)).exists() for machine in self._machines)


@contextmanager
def running(
    definition: Definition,
    text: str,
    interval: float,
    work: float,
    pace: Pace = Pace(),  # noqa: B008 (it is frozen)
) -> Iterator[Simulation]:
    """A cluster all of whose workers run the release `text`."""
    with (
        tempfile.TemporaryDirectory(prefix="anywhere-rollout-", ignore_cleanup_errors=True) as folder,
        ExitStack() as stack,
    ):
        where = place.choose(Path(folder))
        where.lead()
        secrets = pki.ensure(Secrets(definition.name), datetime.now(UTC), definition.network.services)
        release = host.release(text)
        pids = stack.enter_context(control_plane.running(where, release, secrets))
        machines = [Machine(name, where, work) for name in names(definition)]
        nodes.register(machines, where.administrator(), secrets, release["kubernetes"])
        for machine in machines:
            machine.begin(release)
        served = stack.enter_context(store.serving(where))
        simulation = Simulation(where, served, machines, pids)
        simulation.publish(text)
        pids["controller"] = stack.enter_context(_process(leader.run, where, served.document, pace))
        stack.enter_context(_process(fleet.run, machines, interval))
        simulation.settle(text)
        yield simulation


def names(definition: Definition) -> list[str]:
    """The workers, as the local target names them."""
    machines = topology.lay_out(definition, topology.blocks(definition, {})).machines
    return [machine.name for machine in machines if machine.role == ROLE]


@contextmanager
def _process(run: Callable[..., None], *arguments: object) -> Iterator[int]:
    """A process that runs until the context ends: its id."""
    process = multiprocessing.get_context("spawn").Process(target=run, args=arguments, daemon=True)
    process.start()
    try:
        yield process.pid or 0
    finally:
        process.kill()
        process.join()


def _until(what: str, true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > end:
            raise UserError(f"Not within {PATIENCE:.0f} s: {what}.", "Run it on a computer that is idle.")
        time.sleep(0.5)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
