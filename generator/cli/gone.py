"""Workers whose machine is gone and which could not leave: dead hardware, a spot machine taken back too quickly."""

from __future__ import annotations

from collections.abc import Iterable

from generator.cli import api
from generator.cli.phases import Phases
from generator.cli.project import Project
from generator.kubernetes import Node, UnreachableError

LEAVING = "anywhere/leaving"  # what masters look for, with the id of the boot that ended


def see_off(project: Project, phases: Phases) -> None:
    """Have the masters drain and delete the nodes of such workers, and take their addresses back."""
    client = api.client(project.kubeconfig)
    try:
        there = {machine.name for machine in project.provider.observe(project.definition)}
        for node in without_machine(client.nodes(), there):
            phases.note(f"{node.name} has no machine any more: the masters remove its node")
            client.patch(f"/api/v1/nodes/{node.name}", {"metadata": {"labels": {LEAVING: node.boot}}})
    except UnreachableError as error:
        phases.note(f"warning: {error.message}")
    finally:
        client.close()


def without_machine(nodes: Iterable[Node], machines: set[str]) -> list[Node]:
    """The workers among `nodes` that are not Ready and that no machine of the target stands for."""
    return [n for n in nodes if n.name.startswith("worker-") and not n.ready and n.name not in machines]
