"""`python -m benchmarks.kubeadm`: how long one machine takes that kubeadm makes a cluster of, and anywhere's."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from benchmarks import boot
from benchmarks.kubeadm import disk, machine, times
from benchmarks.kubeadm.times import Times
from generator import schema, status
from generator.cli import phases
from generator.kubernetes import Client
from providers import load

SHAPE = boot.Shape("vm", 0, 1, 0)
NAME = "bench-alone"


def anywhere() -> tuple[Times, dict[str, float]]:
    """Apply a cluster of one machine; when it was ready, and its stages."""
    with boot.applied(NAME, SHAPE) as file:
        (master,) = load("local").observe(schema.load(file))
        marks = dict(status.stages(master.console).marks)
        return times.read(_client(file), master.started), marks


def _client(file: Path) -> Client:
    kubeconfig: Any = YAML(typ="safe").load(file.parent / ".anywhere" / f"{NAME}-local" / "kubeconfig")
    return Client(kubeconfig)


def table(theirs: Times, ours: Times) -> str:
    """Both in seconds from power-on, and their ratio."""
    lines = [f"{'seconds from power-on to':26}{'kubeadm':>9}{'anywhere':>10}{'ratio':>7}"]
    for title, one, other in (("node Ready", theirs.node, ours.node), ("all pods Ready", theirs.pods, ours.pods)):
        lines.append(f"{title:26}{one:9.0f}{other:10.0f}{other / one:7.2f}")
    return "\n".join(lines)


def described(title: str, marks: dict[str, float]) -> str:
    return f"  {title}: " + ", ".join(f"{mark} {seconds:.0f}" for mark, seconds in marks.items())


def main() -> None:
    sys.stdout.write(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}\n")
    image = disk.ensure(phases.show())
    theirs, their_marks = machine.boot(image)
    ours, our_marks = anywhere()
    report = (table(theirs, ours), described("kubeadm", their_marks), described("anywhere", our_marks))
    sys.stdout.write("\n".join(report) + "\n")


if __name__ == "__main__":
    main()
