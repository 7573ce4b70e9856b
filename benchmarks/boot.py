"""`python -m benchmarks.boot [SHAPE...]`: real machines. Power-on to Ready by stage, and the memory of each machine.

Each cluster gets a folder of its own and is removed again. Shapes: see SHAPES; all of them where none is named.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.clock import measure, table
from generator import schema, status
from providers import Observed, load
from providers.local import kind
from providers.local import record as records
from providers.local.container import cgroup
from providers.local.home import cluster_folder

COMMAND = Path(sys.executable).with_name("anywhere")
DEFINITION = """\
apiVersion: anywhere/v1
kind: Cluster
metadata: {{name: {name}}}
spec:
  etcd: {{count: {etcd}, size: small}}
  masters: {{count: {masters}, size: medium, schedulable: true}}
  workers: {{count: {workers}, size: small}}
{network}
providers:
  local: {{machines: {kind}, egress: false}}
"""


@dataclass(frozen=True, slots=True)
class Shape:
    """What is booted; `driver` "" leaves the network driver to the lock."""

    kind: str
    etcd: int
    masters: int
    workers: int
    driver: str = ""

    def definition(self, name: str) -> str:
        network = f"  network: {{driver: {self.driver}}}" if self.driver else ""
        counts = {"etcd": self.etcd, "masters": self.masters, "workers": self.workers}
        return DEFINITION.format(name=name, kind=self.kind, network=network, **counts)


SHAPES: Mapping[str, Shape] = {
    "quickstart-container": Shape("container", 0, 1, 1),
    "3+2-container": Shape("container", 0, 3, 2),
    "3+1+2-container": Shape("container", 3, 1, 2),
    "quickstart-vm": Shape("vm", 0, 1, 1),
}


def anywhere(verb: str, file: Path, *arguments: str) -> None:
    subprocess.run([COMMAND, verb, file, *arguments], check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)


def memory(cluster: str, machine: str) -> int:
    """MiB that a machine keeps in use, without what the kernel would give back at once; 0 where it is off."""
    folder = cluster_folder(cluster).machines / machine
    record = records.read(folder)
    if record is None or not (pid := kind.load(record.kind).pid(folder)):
        return 0
    if record.kind == "container":
        return cgroup.recorded(folder).memory() >> 20
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) // 1024


def described(cluster: str, machines: tuple[Observed, ...]) -> Iterator[str]:
    """A line per machine: its stages in seconds from its power-on, and its memory."""
    for machine in machines:
        marks = ", ".join(f"{stage} {seconds:.0f}" for stage, seconds in status.stages(machine.console).marks)
        yield f"  {machine.name}: {memory(cluster, machine.name)} MiB; {marks}"


def ready(machines: tuple[Observed, ...]) -> float:
    """Seconds from power-on until the last machine was ready."""
    return max(dict(status.stages(machine.console).marks).get("ready", 0.0) for machine in machines)


@contextmanager
def applied(name: str, shape: Shape) -> Iterator[Path]:
    """The definition of a cluster that has just been applied."""
    with tempfile.TemporaryDirectory(prefix="anywhere-bench-") as folder:
        file = Path(folder) / "cluster.yaml"
        file.write_text(shape.definition(name))
        try:
            anywhere("apply", file, "--yes")
            yield file
        finally:
            anywhere("destroy", file, "--yes")


def boot(title: str, shape: Shape) -> str:
    """Boot one cluster and describe it."""
    name, begin = f"bench-{title.replace('+', '-')}", time.perf_counter()
    with applied(name, shape) as file:
        took = time.perf_counter() - begin
        machines = load("local").observe(schema.load(file))
        head = f"{title}: Ready {ready(machines):.0f} s from power-on; the whole of apply {took:.0f} s"
        plan = measure("plan, nothing to change", lambda: anywhere("plan", file), f"{len(machines)} machines")
        return "\n".join([head, *described(name, machines), table([plan])])


def main() -> None:
    sys.stdout.write(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}\n")
    for title in sys.argv[1:] or SHAPES:
        sys.stdout.write(boot(title, SHAPES[title]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
