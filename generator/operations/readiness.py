"""Waiting until every machine is Ready, and saying why where that does not come."""

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
from generator.operations.project import Project, seen_as
from generator.progress import Progress
from generator.status import Row
from generator.topology import Topology
from providers import Observed

# Nodes try a failed stage again by themselves; one that is still failing after this long will not mend.
PATIENCE_SECONDS = 120.0
# A new load balancer is known by its name and sends to its machines only after some minutes.
REACH_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen at one time: the machines that the target has, the API's nodes, and what the two make together."""

    machines: tuple[Observed, ...]
    nodes: tuple[Node, ...]
    rows: tuple[Row, ...]


Behind = Callable[[Look], tuple[Row, ...]]


def unready(look: Look) -> tuple[Row, ...]:
    """Every machine that is not as wanted."""
    return status.unready(look.rows)


def until_ready(
    project: Project, topology: Topology, kubeconfig: Path, progress: Progress, timeout: float, behind: Behind = unready
) -> Look:
    """Return the last look, when nobody is `behind`; UserError at `timeout` seconds, or where one of them failed."""
    begin = time.monotonic()
    failing: dict[str, float] = {}
    silent: float | None = None
    with closing(cluster_api.client(kubeconfig)) as client:
        while True:
            observed = project.provider.observe(project.definition)
            found, unheard = nodes(client, observed)
            rows = status.table(seen_as(project, topology), observed, found, project.release)
            progress.board([line(row) for row in rows])
            look = Look(observed, found, rows)
            if not (late := behind(look)):
                return look
            now = time.monotonic()
            names = {row.machine for row in late}.intersection(failed(observed))
            failing = {name: failing.get(name, now) for name in names}
            given_up = [name for name, since in failing.items() if now - since > PATIENCE_SECONDS]
            if given_up or now - begin > timeout:
                raise not_ready(late, f"after {now - begin:.0f} s")
            silent = (now if silent is None else silent) if unheard and all(map(_content, late)) else None
            if silent is not None and now - silent > REACH_SECONDS:
                raise out_of_reach(unheard, project.provider.name)
            time.sleep(project.provider.poll)


def nodes(client: Client, observed: Iterable[Observed]) -> tuple[tuple[Node, ...], str]:
    """The API's nodes, and why it was not heard.

    It is not asked while it cannot be up yet: asking an API that starts makes it start later.
    """
    if not any(_api_may_be_up(machine) for machine in observed):
        return (), ""
    try:
        return client.nodes(), ""
    except UnreachableError as error:
        return (), error.message


def failed(observed: Iterable[Observed]) -> list[str]:
    """The machines whose last word is a failure, or which stopped."""
    return [m.name for m in observed if not m.running or status.stages(m.console).failed]


def line(row: Row) -> str:
    """One machine while it is waited for."""
    ready = {True: "Ready", False: "not Ready", None: ""}[row.ready]
    stage = row.stage if row.running else "missing" if row.presence == "missing" else "not running"
    trouble = row.note if "failed" in row.note else ""
    return "  ".join(part for part in (row.machine.ljust(18), stage.ljust(24), ready, trouble) if part).rstrip()


def not_ready(rows: tuple[Row, ...], when: str) -> UserError:
    """That these machines are not Ready, and why."""
    lines = [f"  {row.machine}: {row.note or 'it is not Ready'}" for row in rows]
    return UserError(
        f"The cluster is not Ready {when}:\n" + "\n".join(lines),
        "The machines are kept. `anywhere doctor` looks again; `anywhere apply` goes on.",
    )


def out_of_reach(unheard: str, provider: str) -> UserError:
    """That the machines are well, and this computer does not reach their API."""
    return UserError(
        f"Every machine says that it is ready, but this computer does not reach the API. {unheard}",
        f"Reach its network by a VPN, or have providers.{provider}.load_balancer: true and this computer's public "
        "address among admin_cidrs; then apply again.",
    )


def _content(row: Row) -> bool:
    """Whether a machine says itself that it is what was asked for."""
    return row.presence == "present" and row.running and row.converged and row.stage == "ready"


def _api_may_be_up(machine: Observed) -> bool:
    if not machine.console:
        return machine.running
    seen = status.stages(machine.console).stage
    return seen in status.STAGES[status.STAGES.index("kube-apiserver") :]
