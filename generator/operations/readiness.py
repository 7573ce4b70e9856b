"""Waiting until every machine is Ready, and why one is not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from generator import status
from generator.errors import UserError
from generator.kubernetes import Client, Node, UnreachableError
from generator.operations import cluster_api
from generator.operations.project import Project, as_observed
from generator.progress import Progress
from generator.status import Row
from generator.topology import Topology
from providers import Observed

# Nodes retry a failed stage by themselves; one that still fails after this long will not recover.
GIVE_UP_SECONDS = 120.0
# The name of a new load balancer resolves, and leads to its machines, only after some minutes.
UNREACHABLE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A cluster at one time: the target's machines, the API's nodes, and the table that the two make."""

    machines: tuple[Observed, ...]
    nodes: tuple[Node, ...]
    rows: tuple[Row, ...]


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

    UserError after `timeout` seconds, where a pending machine fails for GIVE_UP_SECONDS, or where this computer
    does not reach the API for UNREACHABLE_SECONDS after every machine reported that it is ready.
    """
    begin = time.monotonic()
    failing: dict[str, float] = {}
    unheard_since: float | None = None
    with closing(cluster_api.client(kubeconfig)) as client:
        while True:
            observed = project.provider.observe(project.definition)
            api_nodes, unheard = nodes(client, observed)
            rows = status.table(as_observed(project, topology), observed, api_nodes, project.release)
            progress.board([line(row) for row in rows])
            snapshot = Snapshot(observed, api_nodes, rows)
            if not (late := pending(snapshot)):
                return snapshot
            now = time.monotonic()
            names = {row.machine for row in late}.intersection(failed(observed))
            failing = {name: failing.get(name, now) for name in names}
            given_up = [name for name, since in failing.items() if now - since > GIVE_UP_SECONDS]
            if given_up or now - begin > timeout:
                raise not_ready(late, f"after {now - begin:.0f} s")
            if not (unheard and all(map(_reports_ready, late))):
                unheard_since = None
            elif unheard_since is None:
                unheard_since = now
            elif now - unheard_since > UNREACHABLE_SECONDS:
                raise out_of_reach(unheard, project.provider.name)
            time.sleep(project.provider.poll)


def nodes(client: Client, observed: Iterable[Observed]) -> tuple[tuple[Node, ...], str]:
    """The API's nodes, and why it did not answer ("" where it did).

    It is not asked before it can be up: requests to an API that is starting slow its start.
    """
    if not any(_api_may_be_up(machine) for machine in observed):
        return (), ""
    try:
        return client.nodes(), ""
    except UnreachableError as error:
        return (), error.message


def failed(observed: Iterable[Observed]) -> list[str]:
    """The machines whose last mark is a failure, or which stopped."""
    return [m.name for m in observed if not m.running or status.stages(m.console).failed]


def line(row: Row) -> str:
    """One machine while it is waited for."""
    ready = {True: "Ready", False: "not Ready", None: ""}[row.ready]
    stage = row.stage if row.running else "missing" if row.presence == "missing" else "not running"
    trouble = row.note if "failed" in row.note else ""
    return "  ".join(part for part in (row.machine.ljust(18), stage.ljust(24), ready, trouble) if part).rstrip()


def not_ready(rows: tuple[Row, ...], when: str) -> UserError:
    """The error where these machines are not Ready, with the reason of each."""
    lines = [f"  {row.machine}: {row.note or 'it is not Ready'}" for row in rows]
    return UserError(
        f"The cluster is not Ready {when}:\n" + "\n".join(lines),
        "The machines are kept. `anywhere doctor` checks them again; `anywhere apply` continues.",
    )


def out_of_reach(unheard: str, provider: str) -> UserError:
    """The error where every machine is ready, but this computer does not reach their API."""
    return UserError(
        f"Every machine says that it is ready, but this computer does not reach the API. {unheard}",
        f"Reach its network by a VPN, or set providers.{provider}.load_balancer: true and put this computer's public "
        "address in admin_cidrs; then apply again.",
    )


def _reports_ready(row: Row) -> bool:
    """Whether a machine itself reports that it is as wanted."""
    return row.presence == "present" and row.running and row.converged and row.stage == "ready"


def _api_may_be_up(machine: Observed) -> bool:
    if not machine.console:
        return machine.running
    stage = status.stages(machine.console).stage
    return stage in status.STAGES[status.STAGES.index("kube-apiserver") :]
