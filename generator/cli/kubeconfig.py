"""`anywhere kubeconfig`: the administrator's way into the cluster."""

from __future__ import annotations

import typer

from generator.cli.options import DEFAULT_FILE, DEFAULT_PROVIDER, File, Out, ProviderName


def run(file: File = DEFAULT_FILE, provider: ProviderName = DEFAULT_PROVIDER, out: Out = None) -> int:
    """Write the kubeconfig; print how to use it."""
    import shlex

    from generator.cli.phases import show
    from generator.operations import kubeconfig, workspace
    from generator.operations.project import open_project

    project = open_project(file, provider, out)
    path = kubeconfig.write(project, workspace.open_terraform(project, show()))
    typer.echo(f"export KUBECONFIG={shlex.quote(str(path))}")
    return 0
