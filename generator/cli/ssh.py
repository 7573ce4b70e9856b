"""`anywhere ssh`: a shell on a machine, or a command there."""

from __future__ import annotations

from typing import Annotated

import typer

from generator.cli import pasteable
from generator.cli.options import DEFAULT_PROVIDER, ProviderName

Words = Annotated[
    list[str], typer.Argument(metavar="[FILE] MACHINE [COMMAND]...", help="`--` before a COMMAND with options.")
]
NO_KEY = "the definition names no key that may log in"


def run(words: Words, provider: ProviderName = DEFAULT_PROVIDER) -> int:
    """Open a shell on a machine, or run a command."""
    import os
    import sys

    from generator import command as programs
    from generator.cli import file_words
    from generator.errors import UserError
    from generator.operations import machines, project

    file, name, command = file_words.machine(words)
    opened = project.open_project(file, provider, None)
    machine = machines.find(opened, name)
    how = (
        f"Add your public key to spec.access.ssh_keys in {file} and run `anywhere apply`. New machines take it; the"
        " plan says how to replace existing ones."
    )
    if not machine.ssh:
        raise UserError(f"{name} cannot be reached by ssh: {NO_KEY}.", how)
    if not opened.definition.ssh_keys:  # the machine may still have one from before
        pasteable.say(f"warning: {NO_KEY}. {how}", err=True)
    program = programs.find(machine.ssh[0])
    sys.stdout.flush()
    os.execv(program, [*machine.ssh, *command])
