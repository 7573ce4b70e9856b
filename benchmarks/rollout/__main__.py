"""`python -m benchmarks.rollout [--nodes N]`: how long a release takes to reach N workers, and what that costs.

etcd, the API server with its authorization, the controller, the store and the turns of workers are the real ones. A
machine only waits where a real one would replace a container, and its kubelet sends no heartbeats. It takes as long as
such a rollout takes: 1,000 workers about ten minutes on two processors.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Iterable, Mapping

from benchmarks.rollout import releases, simulation
from benchmarks.rollout.simulation import Outcome
from generator.errors import UserError


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rollout", description="Simulate a rollout to workers.")
    parser.add_argument("--nodes", type=int, default=1000, help="workers (%(default)s)")
    parser.add_argument("--interval", type=float, default=30, help="seconds between looks of a machine (%(default)s)")
    parser.add_argument("--work", type=float, default=10, help="seconds that replacing a component takes (%(default)s)")
    return parser.parse_args()


def outcomes(given: argparse.Namespace) -> Mapping[str, Outcome]:
    """One cluster: while nothing changes, a release that works, and one that a worker puts back."""
    definition = releases.definition(given.nodes)
    first = releases.first(definition)
    good = releases.changed(first, releases.GOOD)
    with simulation.running(definition, first, given.interval, given.work) as cluster:
        calm = cluster.calm(2 * given.interval)
        rolled = cluster.roll_out(good)
        halted = cluster.halt(releases.changed(good, releases.BAD), 2 * given.interval)
    return {"nothing changes": calm, "a release": rolled, "a bad release": halted}


def table(found: Mapping[str, Outcome]) -> str:
    """A column for each outcome."""
    costs = [outcome.cost for outcome in found.values()]
    verbs = sorted({verb for cost in costs for verb, count in cost.api.items() if count})
    rows = {"seconds": [f"{cost.seconds:.0f}" for cost in costs]}
    for verb in verbs:
        rows[f"API requests/s: {verb}"] = [_rate(cost.api.get(verb, 0), cost.seconds) for cost in costs]
    rows["store requests/s"] = [_rate(sum(cost.store.values()), cost.seconds) for cost in costs]
    rows["store KiB/s"] = [_rate(cost.bytes / 1024, cost.seconds) for cost in costs]
    for part in costs[0].cpu:
        rows[f"{part}, of one CPU"] = [f"{cost.cpu[part] / cost.seconds:.0%}" for cost in costs]
    rows["machines touched"] = [str(outcome.touched) for outcome in found.values()]
    return "\n".join([_line("", found), *(_line(title, cells) for title, cells in rows.items())])


def lines(found: Mapping[str, Outcome]) -> Iterable[str]:
    """What a table has no room for: each wave, and the halt."""
    for outcome in found.values():
        for number, wave in enumerate(outcome.waves, start=1):
            began = f"begun {wave.begin:.0f} s after the release"
            yield f"wave {number}: {wave.workers} workers, {began}, took {wave.seconds:.0f} s"
        if outcome.halted is not None:
            yield f"halted: {outcome.halted:.1f} s after the first machine put it back"


def _rate(number: float, seconds: float) -> str:
    return f"{number / seconds:.1f}"


def _line(title: str, cells: Iterable[str]) -> str:
    return f"{title:24}" + "".join(f"{cell:>17}" for cell in cells)


def main() -> None:
    given = options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started here ends too
    sys.stdout.write(
        f"{given.nodes} workers that look every {given.interval:g} s and work for {given.work:g} s;"
        f" {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}\n"
    )
    try:
        found = outcomes(given)
    except UserError as error:
        sys.exit(f"error: {error}\nhint: {error.hint}")
    sys.stdout.write("\n".join([table(found), *lines(found)]) + "\n")


if __name__ == "__main__":
    main()
