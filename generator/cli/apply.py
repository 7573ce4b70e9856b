"""`anywhere apply`: from a definition to a running cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from generator.cli.loss import MayDestroy
from generator.cli.options import DEFAULT_FILE, DEFAULT_PROVIDER, File, Out, ProviderName, Yes

if TYPE_CHECKING:
    from pathlib import Path

    from generator.status import Row

Timeout = Annotated[float, typer.Option("--timeout", help="Seconds to wait for every machine to be Ready.")]


def run(
    file: File = DEFAULT_FILE,
    provider: ProviderName = DEFAULT_PROVIDER,
    out: Out = None,
    yes: Yes = False,
    may_destroy: MayDestroy = [],  # noqa: B006 (typer copies it)
    timeout: Timeout = 1800,
) -> int:
    """Make the cluster as defined; wait until Ready."""
    from generator.cli import gone, loss, steps, turns, wait
    from generator.cli.asking import confirm
    from generator.cli.phases import show
    from generator.cli.plan import summary
    from generator.cli.project import open_project

    phases = show()
    project = open_project(file, provider, out)
    work = steps.rendered(project, phases)
    steps.refuse_unfit(steps.preflight(work, phases))
    planned = steps.planned(work, phases, may_destroy)
    taken = turns.order(work, planned)
    typer.echo(summary(planned, turns.announce(taken)))
    loss.refuse(planned, may_destroy)
    if not planned.empty:
        confirm(f"Apply this to cluster {project.name} on {provider}?", yes)
        steps.bring_about(work, planned, phases)
        planned = turns.take(work, planned, taken, phases, may_destroy, timeout)
        with phases.phase("apply"):
            work.terraform.apply(planned, work.values)
    path = steps.kubeconfig(project, work.terraform)
    with phases.phase("wait for every machine to be Ready"):
        seen = wait.until_ready(project, work.topology, path, phases, timeout)
    gone.see_off(path, gone.without_machine(seen.nodes, seen.machines), phases)
    typer.echo(finished(seen.rows, path))
    return 0


def finished(rows: tuple[Row, ...], kubeconfig: Path) -> str:
    """The machines, and how to use the cluster."""
    import shlex

    from generator.cli.status import table

    use = f"  export KUBECONFIG={shlex.quote(str(kubeconfig))}\n  kubectl get nodes -o wide"
    return f"{table(rows)}\n\nThe cluster is ready. Use it:\n{use}"
