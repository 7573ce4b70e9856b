"""`anywhere kubeconfig`: the administrator's way into the cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from generator.cli.options import DEFAULT_FILE, DEFAULT_PROVIDER, File, Out, ProviderName

Merge = Annotated[
    bool, typer.Option("--merge", help="Also merge it into your own kubeconfig: $KUBECONFIG, else ~/.kube/config.")
]


def run(
    file: File = DEFAULT_FILE, provider: ProviderName = DEFAULT_PROVIDER, out: Out = None, merge: Merge = False
) -> int:
    """Write the kubeconfig; print how to use it."""
    import shlex

    from generator.cli.phases import show
    from generator.operations import kubeconfig, workspace
    from generator.operations.project import open_project

    project = open_project(file, provider, out)
    path = kubeconfig.write(project, workspace.open_terraform(project, show()))
    if not merge:
        typer.echo(f"export KUBECONFIG={shlex.quote(str(path))}")
        return 0
    typer.echo(_merged(path))
    return 0


def _merged(path: Path) -> str:
    from generator.operations import user_kubeconfig

    merged = user_kubeconfig.merge(path)
    if merged.is_current:
        return f"Merged into {merged.path}; its current context is {merged.context}."
    return f"Merged into {merged.path}. To use it: kubectl config use-context {merged.context}"
