"""The machines of a cluster as they are now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from generator import status
from generator.errors import UserError
from generator.kubernetes import Client, Node, UnreachableError
from generator.operations import release_progress
from generator.operations.project import Project, as_observed
from generator.operations.release_progress import ReleaseProgress
from generator.status import Row
from generator.topology import Topology
from providers import Observed


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A cluster at one time: the target's machines, the API's nodes, and the table that the two make.

    `unheard` is why the API did not answer, "" where it did or was not asked. `progress` is how far the release is,
    None where nobody has said so.
    """

    machines: tuple[Observed, ...]
    nodes: tuple[Node, ...]
    rows: tuple[Row, ...]
    unheard: str = ""
    progress: ReleaseProgress | None = None


def look(project: Project, topology: Topology, client: Client | None) -> Snapshot:
    """The wanted machines beside the real ones, and beside their nodes where there is a `client` to ask."""
    observed = project.provider.observe(project.definition)
    nodes, progress, unheard = _ask(client, observed) if client else (None, None, "")
    rows = status.table(as_observed(project, topology), observed, nodes, project.release)
    return Snapshot(observed, nodes or (), rows, unheard, progress)


def find(project: Project, name: str) -> Observed:
    """The machine called `name`, as the target shows it; UserError that lists those that exist."""
    machines = {machine.name: machine for machine in project.provider.observe(project.definition)}
    if name not in machines:
        there = (
            f"There are: {', '.join(sorted(machines))}."
            if machines
            else "It has no machines: `anywhere apply` creates them."
        )
        raise UserError(f"Cluster {project.definition.name} has no machine {name!r}.", there)
    return machines[name]


def _ask(client: Client, observed: Iterable[Observed]) -> tuple[tuple[Node, ...], ReleaseProgress | None, str]:
    """The API's nodes, how far the release is, and why the API did not answer ("" where it did).

    It is not asked before it can be up: requests to an API that is starting slow its start.
    """
    if not any(_api_may_be_up(machine) for machine in observed):
        return (), None, ""
    try:
        return client.nodes(), release_progress.read(client), ""
    except UnreachableError as error:
        return (), None, error.message


def _api_may_be_up(machine: Observed) -> bool:
    if not machine.console:
        return machine.running
    stage = status.stages(machine.console).stage
    return stage in status.STAGES[status.STAGES.index("kube-apiserver") :]
