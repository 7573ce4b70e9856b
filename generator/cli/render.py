"""`anywhere render`: the Terraform folder, to read, review or run by hand."""

from __future__ import annotations

import typer

from generator.cli.options import DEFAULT_FILE, DEFAULT_PROVIDER, File, Out, ProviderName


def run(file: File = DEFAULT_FILE, provider: ProviderName = DEFAULT_PROVIDER, out: Out = None) -> int:
    """Write the Terraform folder."""
    from generator.cli.phases import show
    from generator.operations import folder_lock, workspace
    from generator.operations.project import open_project

    phases = show()
    project = open_project(file, provider, out)
    with folder_lock.hold(project, "render"):
        workspace.render(project, phases)
    typer.echo(project.folder)
    return 0
