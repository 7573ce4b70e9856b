"""Waiting until every machine is Ready."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from generator import status
from generator.operations import cluster_api, machines, release_progress
from generator.operations.machines import Snapshot
from generator.operations.patience import Patience
from generator.operations.project import Project
from generator.progress import Progress
from generator.status import Row
from generator.topology import Topology

Pending = Callable[[Snapshot], tuple[Row, ...]]  # the machines that are still waited for


def unready(now: Snapshot) -> tuple[Row, ...]:
    """Every machine that is not as wanted."""
    return status.unready(now.rows)


def wait(
    project: Project,
    topology: Topology,
    kubeconfig: Path,
    progress: Progress,
    timeout: float,
    pending: Pending = unready,
) -> Snapshot:
    """Wait until nothing is `pending`; the last snapshot.

    UserError `timeout` seconds after the last progress, and where more time makes no sense: see `Patience`.
    """
    patience = Patience(timeout, project.provider.api_remedy)
    with closing(cluster_api.client(kubeconfig)) as client:
        while True:
            now = machines.look(project, topology, client)
            progress.board([line(row) for row in now.rows])
            if not (late := pending(now)):
                return now
            release_progress.refuse_halted(now.progress, project)
            patience.spend(now, late)
            client.pause(project.provider.poll)


def line(row: Row) -> str:
    """One machine while it is waited for."""
    ready = {True: "Ready", False: "not Ready", None: ""}[row.ready]
    stage = row.stage if row.running else "missing" if row.presence == "missing" else "not running"
    trouble = row.note if "failed" in row.note else ""
    return "  ".join(part for part in (row.machine.ljust(18), stage.ljust(24), ready, trouble) if part).rstrip()
