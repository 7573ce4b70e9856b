"""Load balancers that the cluster asked its cloud for: their Services go first, while a controller can undo them."""

from __future__ import annotations

import time
from contextlib import closing

from generator.cli import api
from generator.cli.phases import Phases
from generator.cli.project import Project
from generator.kubernetes import Client, UnreachableError

SERVICES = "/api/v1/services"
LIMIT_SECONDS = 120.0
POLL_SECONDS = 1.0


def remove(project: Project, phases: Phases) -> None:
    """Delete every Service of type LoadBalancer, and wait until they are gone.

    A controller that still runs would make a load balancer again that is taken from its Service. Where the API does
    not answer, nothing asks for load balancers any more either.
    """
    if not project.kubeconfig.is_file():
        return
    with closing(api.client(project.kubeconfig)) as client:
        try:
            for path in _paths(client):
                phases.note(f"deleting {path.removeprefix('/api/v1/')}")
                client.delete(path)
            end = time.monotonic() + LIMIT_SECONDS
            while _paths(client) and time.monotonic() < end:
                time.sleep(POLL_SECONDS)
        except UnreachableError as error:
            phases.note(error.message)


def _paths(client: Client) -> list[str]:
    """Where the API has the Services that are load balancers."""
    return [
        f"/api/v1/namespaces/{item['metadata']['namespace']}/services/{item['metadata']['name']}"
        for item in client.get(SERVICES)["items"]
        if item["spec"].get("type") == "LoadBalancer"
    ]
