"""The machines of a cluster as they are now."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from generator import status
from generator.errors import UserError
from generator.kubernetes import Node, UnreachableError
from generator.operations import cluster_api
from generator.operations.project import Project, as_observed
from generator.status import Row
from generator.topology import Topology
from providers import Observed


def find(project: Project, name: str) -> Observed:
    """The machine called `name`, as the target shows it; UserError that lists those that exist."""
    machines = {machine.name: machine for machine in project.provider.observe(project.definition)}
    if name not in machines:
        there = f"There are: {', '.join(sorted(machines))}." if machines else "There are no machines yet: apply first."
        raise UserError(f"Cluster {project.definition.name} has no machine {name!r}.", there)
    return machines[name]


def table(project: Project, wanted: Topology, warn: Callable[[str], None]) -> tuple[Row, ...]:
    """The wanted machines beside the real ones. `warn` is told where the API cannot be asked."""
    machines, observed = as_observed(project, wanted), project.provider.observe(project.definition)
    return status.table(machines, observed, _nodes(project, warn), project.release)


def _nodes(project: Project, warn: Callable[[str], None]) -> tuple[Node, ...]:
    """The API's nodes, () where it cannot be asked."""
    if not project.kubeconfig.is_file():
        return ()
    with closing(cluster_api.client(project.kubeconfig)) as client:
        try:
            return client.nodes()
        except UnreachableError as error:
            warn(error.message)
            return ()
