"""`python -m examples.demo FILE`: builds the demo, brings it into a cluster, and sends a request through all of it."""

from __future__ import annotations

import shlex
import sys
from contextlib import closing
from typing import Annotated

import typer

from examples.demo import images, objects, push, rollout, visit
from generator import cli, interrupts
from generator.cli import pasteable
from generator.cli.options import DEFAULT_FILE, DEFAULT_PROVIDER, File, Out, ProviderName, Timeout
from generator.cli.phases import show
from generator.definition import Definition
from generator.kubernetes import Client
from generator.operations import cluster_api, lock_file, registry_users
from generator.operations.project import Project, open_project
from generator.progress import Progress

ANSWER_SECONDS = 60.0  # of the API, which may have to wait for the frontend

Load = Annotated[bool, typer.Option("--load", help="Run the load generator too; without it, it is stopped.")]
Remove = Annotated[bool, typer.Option("--remove", help="Remove the demo and its data instead.")]

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@pasteable.hints
def run(
    file: File = DEFAULT_FILE,
    provider: ProviderName = DEFAULT_PROVIDER,
    out: Out = None,
    load: Load = False,
    remove: Remove = False,
    timeout: Timeout = 600,
) -> int:
    """Build the demo, push it to the cluster's registry, deploy it, and send a request through all of its services.

    What runs already stays as it is.
    """
    progress, project = show(), open_project(file, provider, out)
    with progress.phase(f"look at the cluster {project.name}"):
        registry = registry_users.reference(project)
        if not remove:
            push.check()
            _warn(project, progress)
        client = cluster_api.client(project.kubeconfig, ANSWER_SECONDS)
        client.get("/version")
    with closing(client):
        if remove:
            with progress.phase("remove the demo and its data"):
                rollout.remove(client, timeout)
            return 0
        _deploy(client, project, registry, load, progress, timeout)
        with progress.phase("send a request through all six services"):
            answer = visit.through_all(client, timeout)
    typer.echo(visit.drawing(answer))
    kubectl = f"kubectl --kubeconfig {shlex.quote(str(project.kubeconfig))} --namespace {objects.NAMESPACE}"
    typer.echo(f"\nThe page, at http://localhost:8080:\n  {kubectl} port-forward service/frontend 8080:80")
    if load:
        typer.echo(f"What the load generator says:\n  {kubectl} logs deployment/load --follow")
    return 0


def _deploy(client: Client, project: Project, registry: str, load: bool, progress: Progress, timeout: float) -> None:
    arch = architecture(project.definition)
    with progress.phase("build the images"):
        built = images.build(arch, progress)
    wanted = objects.all_of(registry, built, arch, load)
    if not rollout.runs(client, wanted):
        with progress.phase(f"push them to {registry}"):
            push.push(client, project.kubeconfig, int(registry.rpartition(":")[2]), built.values(), progress)
    with progress.phase("deploy"):
        rollout.apply(client, wanted)
    with progress.phase("wait until every pod is available"):
        rollout.wait(client, progress, timeout)


def architecture(definition: Definition) -> str:
    """That of the machines which the demo runs on: of the first pool, and of masters where there is none."""
    return next((pool.arch for pool in definition.workers), definition.masters.arch)


def _warn(project: Project, progress: Progress) -> None:
    lock = lock_file.known(project)
    if lock and lock.driver == "flannel":
        progress.note("warning: flannel enforces no NetworkPolicy: every pod reaches every other.")


def main() -> None:
    interrupts.raise_interrupted()
    sys.exit(cli.outcome(lambda: app(prog_name="make demo", standalone_mode=False)))


if __name__ == "__main__":
    main()
