"""`anywhere rollout`: how a release reaches the machines."""

from __future__ import annotations

import typer

from generator.cli import pasteable
from generator.cli.options import DEFAULT_FILE, DEFAULT_PROVIDER, File, Out, ProviderName

app = typer.Typer(help="Show a rollout, or resume a halted one.", rich_markup_mode=None)


@app.command("status")
@pasteable.hints
def status(file: File = DEFAULT_FILE, provider: ProviderName = DEFAULT_PROVIDER, out: Out = None) -> int:
    """Show how far the release is.

    Exits 1 where a machine does not run it yet, or where the rollout is halted.
    """
    from contextlib import closing

    from generator.operations import cluster_api, release_progress
    from generator.operations.project import open_project

    project = open_project(file, provider, out)
    with closing(cluster_api.client(project.kubeconfig)) as client:
        progress = release_progress.read(client)
    for line in release_progress.describe(progress):
        pasteable.say(line)
    return 0 if progress and not progress.left and not progress.halted else 1


@app.command("resume")
@pasteable.hints
def resume(file: File = DEFAULT_FILE, provider: ProviderName = DEFAULT_PROVIDER, out: Out = None) -> int:
    """Retry a halted rollout."""
    from contextlib import closing

    from generator.operations import cluster_api, release_progress
    from generator.operations.project import open_project

    project = open_project(file, provider, out)
    with closing(cluster_api.client(project.kubeconfig)) as client:
        release_progress.resume(client)
    pasteable.say("The machines try again what they put back, one at a time.")
    return 0
