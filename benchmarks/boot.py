"""`python -m benchmarks.boot`: real machines. Power-on to Ready by stage, and a plan that finds nothing to change.

It boots the quickstart in a folder of its own and removes it again.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.clock import Row, measure, table
from generator import schema, status
from providers import load

COMMAND = Path(sys.executable).with_name("anywhere")
EXAMPLE = Path(__file__).parent.parent / "examples" / "quickstart" / "cluster.yaml"
NAME = "bench"


def stages(file: Path) -> Iterator[str]:
    """Seconds of uptime at which each machine had reached each stage."""
    for machine in load("local").observe(schema.load(file)):
        marks = status.stages(machine.console).marks
        yield f"{machine.name}: " + ", ".join(f"{stage} {seconds:.0f}" for stage, seconds in marks)


def anywhere(verb: str, file: Path, *arguments: str) -> None:
    subprocess.run([COMMAND, verb, file, *arguments], check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="anywhere-bench-") as folder:
        file = Path(folder) / "cluster.yaml"
        text = EXAMPLE.read_text().replace(f"name: {schema.load(EXAMPLE).name}", f"name: {NAME}")
        file.write_text(text.replace("local: {}", "local: {egress: false}"))
        sys.stdout.write(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}\n")
        try:
            begin = time.perf_counter()
            anywhere("apply", file, "--yes")
            sys.stdout.write(f"anywhere apply, lock and images included: {time.perf_counter() - begin:.0f} s\n")
            sys.stdout.writelines(f"{line}\n" for line in stages(file))
            plan = measure("plan, nothing to change", lambda: anywhere("plan", file), "2 machines; aim 1500")
            rows: list[Row] = [plan]
            sys.stdout.write(table(rows) + "\n")
        finally:
            anywhere("destroy", file, "--yes")


if __name__ == "__main__":
    main()
