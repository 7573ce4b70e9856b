"""Nodes of workers whose machine is gone: failed hardware, or a spot machine reclaimed too quickly to drain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

from generator.kubernetes import Node, UnreachableError
from generator.operations import cluster_api
from generator.progress import Progress
from providers import Observed

LEAVING = "anywhere/leaving"  # the label that masters look for; its value is the id of the boot that ended


def departed(nodes: Iterable[Node], machines: Iterable[Observed]) -> list[Node]:
    """The workers among `nodes` that are not Ready and have no machine on the target."""
    present = {machine.name for machine in machines}
    return [n for n in nodes if n.name.startswith("worker-") and not n.ready and n.name not in present]


def remove(kubeconfig: Path, nodes: Sequence[Node], progress: Progress) -> None:
    """Ask the masters to drain and delete these nodes, and to release their addresses."""
    if not nodes:
        return
    with closing(cluster_api.client(kubeconfig)) as client:
        try:
            for node in nodes:
                progress.note(f"{node.name} has no machine any more: the masters remove its node")
                client.patch(f"/api/v1/nodes/{node.name}", {"metadata": {"labels": {LEAVING: node.boot}}})
        except UnreachableError as error:
            progress.note(f"warning: {error.message}")
