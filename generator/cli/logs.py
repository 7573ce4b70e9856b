"""`anywhere logs`: what a machine said on its serial console."""

from __future__ import annotations

from typing import Annotated

import typer

from generator.cli.options import DEFAULT_PROVIDER, ProviderName

Words = Annotated[list[str], typer.Argument(metavar="[FILE] MACHINE", help="The definition, and the machine.")]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Keep printing new lines until Ctrl-C.")]
POLL_SECONDS = 0.5


def run(words: Words, provider: ProviderName = DEFAULT_PROVIDER, follow: Follow = False) -> int:
    """Show the serial console of a machine."""
    import time

    from generator.cli import file_words
    from generator.operations import machines, project

    file, name, _ = file_words.machine(words)
    opened = project.open_project(file, provider, None)
    shown = 0
    while True:
        console = machines.find(opened, name).console
        # A console that got shorter belongs to a machine that was replaced.
        shown = shown if shown <= len(console) else 0
        typer.echo(console[shown:], nl=False)
        shown = len(console)
        if not follow:
            return 0
        time.sleep(POLL_SECONDS)
