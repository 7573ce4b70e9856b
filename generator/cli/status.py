"""`anywhere status`: the wanted machines, the real ones, and what the API says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from generator.cli.options import DEFAULT_FILE, DEFAULT_PROVIDER, File, Json, Out, ProviderName

if TYPE_CHECKING:
    from generator.kubernetes import Node
    from generator.operations.project import Project
    from generator.status import Expiry, Row
    from generator.topology import Topology

HEAD = ("MACHINE", "ROLE", "STATE", "STAGE", "READY", "VERSION", "ADDRESS", "NOTE")
SOON_DAYS = 30


def run(
    file: File = DEFAULT_FILE, provider: ProviderName = DEFAULT_PROVIDER, out: Out = None, as_json: Json = False
) -> int:
    """Compare wanted machines with real ones.

    Exits 1 where one is not as wanted.
    """
    from generator import status
    from generator.operations import project as projects

    project = projects.open_project(file, provider, out)
    rows = look(project, projects.wanted(project))
    certificates = expiries(project)
    typer.echo(document(rows, certificates) if as_json else text(rows, certificates))
    return 1 if status.unready(rows) else 0


def look(project: Project, wanted: Topology) -> tuple[Row, ...]:
    """The table of machines as they are now."""
    from generator import status
    from generator.operations.project import seen_as

    machines, observed = seen_as(project, wanted), project.provider.observe(project.definition)
    return status.table(machines, observed, _nodes(project), project.release)


def expiries(project: Project) -> tuple[Expiry, ...]:
    """The cluster's certificates, none before the first apply."""
    from datetime import UTC, datetime

    from generator import pki, status, store

    secrets = store.read(project.definition.path, project.name)
    return status.expiries(pki.expiries(secrets), datetime.now(UTC))


def text(rows: tuple[Row, ...], certificates: tuple[Expiry, ...]) -> str:
    """For a person: the machines, then the certificates that end soon, else the first that will."""
    lines = [table(rows)]
    ending = [c for c in certificates if c.days < SOON_DAYS]
    lines += [f"Certificate {c.certificate} ends in {c.days} days: run `anywhere apply`." for c in ending]
    if certificates and not ending:
        lines.append(
            f"Certificates: the first to end is {certificates[0].certificate}, in {certificates[0].days} days."
        )
    return "\n".join(lines)


def table(rows: tuple[Row, ...]) -> str:
    """The machines as aligned columns."""
    from generator.cli.tables import columns

    return columns(HEAD, [_cells(row) for row in rows])


def document(rows: tuple[Row, ...], certificates: tuple[Expiry, ...]) -> str:
    """For a machine."""
    import json
    from dataclasses import asdict

    return json.dumps(
        {
            "machines": [{**asdict(row), "healthy": row.healthy} for row in rows],
            "certificates": [{**asdict(c), "at": c.at.isoformat()} for c in certificates],
        },
        indent=2,
    )


def _cells(row: Row) -> tuple[str, ...]:
    state = "running" if row.running else "stopped" if row.presence == "present" else row.presence
    ready = {True: "yes", False: "no", None: "-"}[row.ready]
    return row.machine, row.role, state, row.stage or "-", ready, row.version or "-", row.address or "-", row.note


def _nodes(project: Project) -> tuple[Node, ...]:
    """The API's nodes, none where it cannot be asked."""
    from contextlib import closing

    from generator.kubernetes import UnreachableError
    from generator.operations import cluster_api

    if not project.kubeconfig.is_file():
        return ()
    with closing(cluster_api.client(project.kubeconfig)) as client:
        try:
            return client.nodes()
        except UnreachableError as error:
            typer.echo(error.message, err=True)
            return ()
