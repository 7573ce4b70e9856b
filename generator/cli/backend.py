"""`anywhere backend`: where Terraform keeps the state of a cluster in a cloud."""

from __future__ import annotations

import typer

from generator.cli import pasteable
from generator.cli.options import DEFAULT_FILE, DEFAULT_PROVIDER, File, ProviderName
from generator.errors import UserError

app = typer.Typer(help="Create the bucket for Terraform's state.", rich_markup_mode=None)


@app.callback()
def backend() -> None:
    """A group of verbs, of which there is one so far."""


@app.command("create")
@pasteable.hints
def create(file: File = DEFAULT_FILE, provider: ProviderName = DEFAULT_PROVIDER) -> int:
    """Create the backend's bucket: versioned, encrypted and private. Does nothing if it exists."""
    from generator.operations.project import open_project

    project = open_project(file, provider, None)
    target = project.provider.name
    if not project.may_have_backend:
        raise UserError(
            f"There is no backend for {target}: its state stays in the rendered folder.",
            "Keep that folder, and back it up.",
        )
    if project.provider.backend(project.definition) is None:
        raise UserError(
            f"{file} names no backend for {target}, so state stays in the rendered folder.",
            f"Write one in providers.{target}.backend first.",
        )
    pasteable.say(project.provider.create_backend(project.definition))
    return 0
