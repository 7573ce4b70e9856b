"""`anywhere render`: the Terraform folder, to read, review or run by hand."""

from __future__ import annotations

from typing import Annotated

import typer

from generator.cli import pasteable
from generator.cli.options import DEFAULT_FILE, DEFAULT_PROVIDER, File, Frozen, Out, ProviderName

Check = Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 where the folder is not up to date.")]


def run(
    file: File = DEFAULT_FILE,
    provider: ProviderName = DEFAULT_PROVIDER,
    out: Out = None,
    frozen: Frozen = False,
    check: Check = False,
) -> int:
    """Write the Terraform folder."""
    from generator.cli.phases import show
    from generator.operations import folder_lock, workspace
    from generator.operations.project import open_project

    phases = show()
    project = open_project(file, provider, out)
    if check:
        return _report(workspace.stale(project, *workspace.look(project, phases, frozen=frozen)))
    with folder_lock.hold(project, "render"):
        workspace.open_own(project, phases)  # before anything is resolved for another cluster's folder
        lock, secrets = workspace.look(project, phases, frozen=frozen)
        if secrets.unmade:
            phases.note(
                "warning: keys and certificates are not made yet. `anywhere apply` makes them; before Terraform is"
            )
            phases.note("  run by hand, run `anywhere secrets update`")
        workspace.render(project, lock, secrets, phases)
    pasteable.say(str(project.folder))
    return 0


def _report(stale: tuple[str, ...]) -> int:
    for name in stale:
        pasteable.say(name)
    if stale:
        pasteable.say("These files are not what `anywhere render` writes now. Render again, and commit them.", err=True)
    return 1 if stale else 0
