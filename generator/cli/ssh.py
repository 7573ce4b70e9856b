"""`anywhere ssh`: a shell on a machine, or a command there."""

from __future__ import annotations

from typing import Annotated

import typer

from generator.cli.options import DEFAULT_PROVIDER, ProviderName

Words = Annotated[
    list[str], typer.Argument(metavar="[FILE] MACHINE [COMMAND]...", help="`--` before a COMMAND with options.")
]


def run(words: Words, provider: ProviderName = DEFAULT_PROVIDER) -> int:
    """Open a shell on a machine, or run a command."""
    import os
    import sys

    from generator.cli import machine_words
    from generator.errors import UserError
    from generator.operations import machines, project

    file, name, command = machine_words.split(words)
    machine = machines.find(project.open_project(file, provider, None), name)
    if not machine.ssh:
        raise UserError(f"{name} cannot be reached by ssh on this target.")
    sys.stdout.flush()
    os.execvp(machine.ssh[0], [*machine.ssh, *command])
