"""Having the cluster run what the manifests say, and waiting until it does."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from examples.demo import objects
from examples.demo.objects import NAMESPACE, Object
from generator.errors import UserError
from generator.kubernetes import Client, UnreachableError
from generator.operations.standstill import Standstill
from generator.progress import Progress
from generator.workloads import Pod, Workload, deployment_of, pod_of, pods_of

MANAGER = "demo"
DEPLOYMENTS = objects.COLLECTIONS["Deployment"]
PODS = f"/api/v1/{objects.OF_NAMESPACE}/pods"
NAMESPACED = f"/api/v1/{objects.OF_NAMESPACE}"
POLL = 2.0


def runs(client: Client, wanted: Sequence[Object]) -> bool:
    """Whether the cluster runs these very images already."""
    found = {f"{DEPLOYMENTS}/{item['metadata']['name']}": item for item in client.get(DEPLOYMENTS)["items"]}
    images = {path: objects.image_of(item) for path, item in found.items()}
    return objects.references(tuple(wanted)).items() <= images.items() and all(
        deployment_of(item).rolled_out for item in found.values()
    )


def apply(client: Client, wanted: Iterable[Object]) -> None:
    """Have the API have these objects as they are."""
    for each in wanted:
        client.apply(each.path, each.document, MANAGER)


def wait(client: Client, progress: Progress, timeout: float) -> None:
    """Return once every pod is available; UserError where nothing has changed for `timeout` seconds."""
    standstill = Standstill(timeout)
    while True:
        try:
            lines = lacking(*_look(client))
        except UnreachableError as error:
            lines = [str(error)]
        if not lines:
            return
        progress.board(lines)
        if standstill.exceeded(tuple(lines)):
            raise UserError(
                f"The demo does not run, and nothing has changed for {timeout:.0f} s:\n"
                + "\n".join(f"  {line}" for line in lines),
                f"`kubectl --namespace {NAMESPACE} describe pods` says more. The same command continues.",
            )
        client.pause(POLL)


def lacking(workloads: Iterable[Workload], pods: Sequence[Pod]) -> list[str]:
    """What each Deployment that is not rolled out waits for. Pure."""
    return [_said(each, pods_of(each, pods)) for each in workloads if not each.rolled_out]


def remove(client: Client, timeout: float) -> None:
    """Delete all of it, and the volume with it; the images stay in the registry."""
    client.delete(NAMESPACED)
    end = time.monotonic() + timeout
    while client.find(NAMESPACED) is not None:
        if time.monotonic() > end:
            raise UserError(
                f"The namespace {NAMESPACE} is still there after {timeout:.0f} s.",
                f"`kubectl get namespace {NAMESPACE} -o yaml` says what it waits for.",
            )
        client.pause(POLL)


def _look(client: Client) -> tuple[list[Workload], list[Pod]]:
    workloads = [deployment_of(item) for item in client.get(DEPLOYMENTS)["items"]]
    return workloads, [pod_of(item) for item in client.get(PODS)["items"]]


def _said(workload: Workload, pods: Sequence[Pod]) -> str:
    said = f"{workload.name}: {workload.available} of {workload.wanted} pods available"
    if workload.updated < workload.wanted:
        said += f", {workload.updated} of the current version"
    trouble = next((f"Pod {pod.name} {pod.trouble}: {pod.detail}" for pod in pods if pod.trouble), workload.reason)
    return f"{said}. {trouble}".rstrip()
