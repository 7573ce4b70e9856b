"""`python -m benchmarks`: whole commands in processes of their own, then the steps behind them in this one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.clock import Row, measure, table
from benchmarks.lock import lock
from generator import node, pki, render, schema, topology
from generator.definition import Definition
from generator.store import Secrets

EXAMPLE = Path(__file__).parent.parent / "examples" / "star-wars" / "cluster.yaml"
COMMAND = Path(sys.executable).with_name("anywhere")


def command(*arguments: str) -> Callable[[], object]:
    """A whole `anywhere` command, from a shell's point of view."""
    return lambda: subprocess.run([COMMAND, *arguments], stdout=subprocess.DEVNULL, check=True)


def bare_python() -> object:
    return subprocess.run([sys.executable, "-c", "pass"], check=True)


def grown(definition: Definition, machines: int) -> Definition:
    """The same cluster with `machines` machines in all, in pools of at most 100."""
    workers = machines - definition.etcd.count - definition.masters.count
    pool = definition.workers[0]
    counts = [min(100, workers - begin) for begin in range(0, workers, 100)]
    pools = tuple(replace(pool, name=f"pool-{number}", count=count) for number, count in enumerate(counts))
    return replace(definition, workers=pools)


def rendering(definition: Definition) -> Callable[[], render.Tree]:
    """All that `render` does once the definition is read, but for the disk: layout, release, user-data, values."""
    known = lock(definition)

    def run() -> render.Tree:
        machines = topology.lay_out(definition, known.blocks)
        secrets: Mapping[str, Mapping[str, object]] = {
            name: {"roles": list(roles), "version": "0" * 12} for name, roles in pki.readers(machines).items()
        }
        target = render.Target("local", asdict(definition.providers.local), {"amd64": "0" * 64})
        return render.tree(definition, known, machines, target, secrets)

    return run


def rows() -> Iterator[Row]:
    python = measure("python -c pass", bare_python, "the floor of every command")
    yield python
    yield measure("anywhere --help", command("--help"), f"the floor {python.median * 1000:.0f}; aim 200")
    yield measure("anywhere validate", command("validate", str(EXAMPLE)), "--help; pydantic and the YAML reader on top")
    definition = schema.load(EXAMPLE)
    yield measure("read the definition", lambda: schema.load(EXAMPLE), "part of validate, modules loaded")
    node.archive.cache_clear()
    yield measure("node archive", node.archive, "max is the one time it is made")
    seven = measure("render 7 machines", rendering(definition), "7 real machines: minutes to boot")
    yield seven
    hundred = measure("render 100 machines", rendering(grown(definition, 100)), ratio(seven, 100 / 7))
    yield hundred
    yield measure("render 1,000 machines", rendering(grown(definition, 1000)), f"aim 1,000; {ratio(hundred, 10)}")
    now, services = datetime.now(UTC), definition.network.services
    secrets = pki.ensure(Secrets("bench"), now, services)
    yield measure("PKI made", lambda: pki.ensure(Secrets("bench"), now, services), "the first apply only")
    yield measure("PKI ensured", lambda: pki.ensure(secrets, now, services), "every later apply; PKI made")


def ratio(smaller: Row, machines: float) -> str:
    """What growth in proportion to the machines would cost."""
    return f"linear from {smaller.subject.removeprefix('render ')}: {smaller.median * machines * 1000:.0f}"


def main() -> None:
    sys.stdout.write(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}\n")
    sys.stdout.write(table(list(rows())) + "\n")


if __name__ == "__main__":
    main()
