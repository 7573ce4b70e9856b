"""`anywhere apply`: from a definition to a running cluster."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from generator.cli.options import DEFAULT_FILE, DEFAULT_PROVIDER, File, Out, ProviderName, Yes

if TYPE_CHECKING:
    from pathlib import Path

    from generator.status import Row
    from generator.terraform import Plan

ETCD_DISK = re.compile(r"(disk|volume)\.etcd\b")

LoseData = Annotated[bool, typer.Option("--lose-data", help="Allow a plan that destroys a disk of etcd.")]
Timeout = Annotated[float, typer.Option("--timeout", help="Seconds to wait for every machine to be Ready.")]


def run(
    file: File = DEFAULT_FILE,
    provider: ProviderName = DEFAULT_PROVIDER,
    out: Out = None,
    yes: Yes = False,
    lose_data: LoseData = False,
    timeout: Timeout = 1800,
) -> int:
    """Make the cluster as defined; wait until Ready."""
    from generator import pki
    from generator.cli import steps, wait
    from generator.cli.asking import confirm
    from generator.cli.phases import show
    from generator.cli.plan import summary
    from generator.cli.project import open_project

    phases = show()
    project = open_project(file, provider, out)
    work, planned = steps.planned(project, phases, pki.TOKEN_LEFT)
    typer.echo(summary(planned))
    if not planned.empty:
        refuse_loss(planned, lose_data)
        steps.preflight(work, phases)
        confirm(f"Apply this to cluster {project.name} on {provider}?", yes)
        steps.bring_about(work, phases)
        with phases.phase("apply"):
            work.terraform.apply(planned, work.values)
    path = steps.kubeconfig(project, work.terraform)
    with phases.phase("wait for every machine to be Ready"):
        rows = wait.until_ready(project, work.topology, path, phases, timeout)
    typer.echo(finished(rows, path))
    return 0


def refuse_loss(plan: Plan, lose_data: bool) -> None:
    """UserError where `plan` destroys a disk of etcd and nobody said that it may."""
    from generator.errors import UserError

    lost = [c.address for c in plan.changes if c.action in ("delete", "replace") and ETCD_DISK.search(c.address)]
    if lost and not lose_data:
        raise UserError(
            f"This plan destroys what etcd holds: {', '.join(lost)}.",
            "Nothing was changed. Say --lose-data if that is what you want.",
        )


def finished(rows: tuple[Row, ...], kubeconfig: Path) -> str:
    """The machines, and how to use the cluster."""
    import shlex

    from generator.cli.status import table

    use = f"  export KUBECONFIG={shlex.quote(str(kubeconfig))}\n  kubectl get nodes -o wide"
    return f"{table(rows)}\n\nThe cluster is ready. Use it:\n{use}"
