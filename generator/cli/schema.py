"""`anywhere schema`: the schema of definitions, for editors and for people."""

from __future__ import annotations

from typing import Annotated

import typer

Markdown = Annotated[bool, typer.Option("--markdown", help="Print a page that says what a change of each field does.")]


def run(markdown: Markdown = False) -> int:
    """Print the JSON Schema of cluster.yaml."""
    typer.echo(page() if markdown else document())
    return 0


def document() -> str:
    """The JSON Schema."""
    import json

    from generator import schema

    return json.dumps(schema.json_schema(), indent=2)


def page() -> str:
    """The page for people."""
    from generator.schema import reference
    from providers.aws import sizes as aws
    from providers.gce import sizes as gce

    return reference.page({"aws": aws.TYPES, "gce": gce.TYPES}).rstrip("\n")
