"""`anywhere destroy`: remove every machine, and say what is left."""

from __future__ import annotations

import typer

from generator.cli.options import DEFAULT_FILE, DEFAULT_PROVIDER, File, Out, ProviderName, Yes


def run(file: File = DEFAULT_FILE, provider: ProviderName = DEFAULT_PROVIDER, out: Out = None, yes: Yes = False) -> int:
    """Remove everything that apply made.

    Secrets and lock stay beside the definition.
    """
    from generator.cli.approval import confirm
    from generator.cli.phases import show
    from generator.cli.plan import summary
    from generator.operations import load_balancers, workspace
    from generator.operations.project import open_project

    phases = show()
    project = open_project(file, provider, out)
    terraform = workspace.rendered_here(project, phases)
    if any(project.folder.glob("*.tf")):
        with phases.phase("plan what to destroy"), workspace.unprotected(project):
            terraform.check_state(project.name)
            terraform.init()
            terraform.check_remote_state(project.name)
            planned = terraform.plan_destroy({})
        if not planned.empty:
            typer.echo(summary(planned))
            confirm(f"Destroy cluster {project.name} on {provider}, with all volumes that its pods had?", yes)
            with phases.phase("remove what the cluster had made"):
                load_balancers.remove(project, phases)
                project.provider.release(project.definition, phases)
            with phases.phase("destroy"):
                terraform.apply(planned, {})
        (project.folder / "kubeconfig").unlink(missing_ok=True)
    return _leftovers(project.provider.leftovers(project.definition))


def _leftovers(lines: tuple[str, ...]) -> int:
    if not lines:
        typer.echo("Nothing is left.")
        return 0
    typer.echo("Left over, and not removed:", err=True)
    for line in lines:
        typer.echo(f"  {line}", err=True)
    return 1
