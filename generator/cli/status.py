"""`anywhere status`: the wanted machines, the real ones, and what the API says of them."""

from __future__ import annotations

import typer

from generator.cli.options import DEFAULT_FILE, DEFAULT_PROVIDER, File, Json, Out, ProviderName


def run(
    file: File = DEFAULT_FILE, provider: ProviderName = DEFAULT_PROVIDER, out: Out = None, as_json: Json = False
) -> int:
    """Compare wanted machines with real ones.

    Exits 1 where one is not as wanted.
    """
    from generator import status
    from generator.cli.status_view import document, text
    from generator.operations import cluster_secrets, machines
    from generator.operations.project import open_project, wanted

    project = open_project(file, provider, out)
    rows = machines.table(project, wanted(project), warn=lambda message: typer.echo(message, err=True))
    certificates = cluster_secrets.expiries(project)
    typer.echo(document(rows, certificates) if as_json else text(rows, certificates))
    return 1 if status.unready(rows) else 0
