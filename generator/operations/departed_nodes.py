"""Workers whose machine is gone and which could not leave: dead hardware, a spot machine taken back too quickly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

from generator.kubernetes import Node, UnreachableError
from generator.operations import cluster_api
from generator.progress import Progress
from providers import Observed

LEAVING = "anywhere/leaving"  # what masters look for, with the id of the boot that ended


def without_machine(nodes: Iterable[Node], machines: Iterable[Observed]) -> list[Node]:
    """The workers among `nodes` that are not Ready and that no machine of the target stands for."""
    there = {machine.name for machine in machines}
    return [n for n in nodes if n.name.startswith("worker-") and not n.ready and n.name not in there]


def see_off(kubeconfig: Path, workers: Sequence[Node], progress: Progress) -> None:
    """Have the masters drain and delete the nodes of such `workers`, and take their addresses back."""
    if not workers:
        return
    with closing(cluster_api.client(kubeconfig)) as client:
        try:
            for node in workers:
                progress.note(f"{node.name} has no machine any more: the masters remove its node")
                client.patch(f"/api/v1/nodes/{node.name}", {"metadata": {"labels": {LEAVING: node.boot}}})
        except UnreachableError as error:
            progress.note(f"warning: {error.message}")
