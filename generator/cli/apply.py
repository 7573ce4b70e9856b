"""`anywhere apply`: from a definition to a running cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from generator.cli.options import DEFAULT_FILE, DEFAULT_PROVIDER, File, Out, ProviderName, Yes
from generator.operations.destroy_guard import MayDestroy

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
    from generator.cli.approval import confirm
    from generator.cli.phases import show
    from generator.cli.plan import summary
    from generator.operations import departed_nodes, destroy_guard, readiness, rollout, workspace
    from generator.operations.project import open_project

    phases = show()
    project = open_project(file, provider, out)
    work = workspace.rendered(project, phases)
    workspace.refuse_unfit(workspace.preflight(work, phases))
    planned = workspace.planned(work, phases, may_destroy)
    taken = rollout.order(work, planned)
    typer.echo(summary(planned, rollout.announce(taken)))
    destroy_guard.refuse(planned, may_destroy)
    if not planned.empty:
        confirm(f"Apply this to cluster {project.name} on {provider}?", yes)
        workspace.bring_about(work, planned, phases)
        planned = rollout.take(work, planned, taken, phases, may_destroy, timeout)
        with phases.phase("apply"):
            work.terraform.apply(planned, work.values)
    path = workspace.kubeconfig(project, work.terraform)
    with phases.phase("wait for every machine to be Ready"):
        seen = readiness.until_ready(project, work.topology, path, phases, timeout)
    departed_nodes.see_off(path, departed_nodes.without_machine(seen.nodes, seen.machines), phases)
    typer.echo(finished(seen.rows, path))
    return 0


def finished(rows: tuple[Row, ...], kubeconfig: Path) -> str:
    """The machines, and how to use the cluster."""
    import shlex

    from generator.cli.status import table

    use = f"  export KUBECONFIG={shlex.quote(str(kubeconfig))}\n  kubectl get nodes -o wide"
    return f"{table(rows)}\n\nThe cluster is ready. Use it:\n{use}"
