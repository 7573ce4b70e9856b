"""Load balancers of Services: deleted before a destroy, while the controller that made them can remove them."""

from __future__ import annotations

import time
from contextlib import closing

from generator.kubernetes import Client, UnreachableError
from generator.operations import cluster_api
from generator.operations.project import Project
from generator.progress import Progress

SERVICES = "/api/v1/services"
LIMIT_SECONDS = 120.0
POLL_SECONDS = 1.0


def delete(project: Project, progress: Progress) -> None:
    """Delete every Service of type LoadBalancer, and wait until they are gone, at most LIMIT_SECONDS.

    While its Service exists, a running controller makes a deleted load balancer again. An API that does not answer
    is noted and no error: nothing asks for load balancers then.
    """
    if not project.kubeconfig.is_file():
        return
    with closing(cluster_api.client(project.kubeconfig)) as client:
        try:
            for path in _paths(client):
                progress.note(f"deleting {path.removeprefix('/api/v1/')}")
                client.delete(path)
            end = time.monotonic() + LIMIT_SECONDS
            while _paths(client) and time.monotonic() < end:
                time.sleep(POLL_SECONDS)
        except UnreachableError as error:
            progress.note(error.message)


def _paths(client: Client) -> list[str]:
    """The API paths of the Services of type LoadBalancer."""
    return [
        f"/api/v1/namespaces/{item['metadata']['namespace']}/services/{item['metadata']['name']}"
        for item in client.get(SERVICES)["items"]
        if item["spec"].get("type") == "LoadBalancer"
    ]
