"""`anywhere schema`: the JSON Schema of definitions, for editors."""

from __future__ import annotations

import typer


def run() -> int:
    """Print the JSON Schema of cluster.yaml."""
    import json

    from generator import schema

    typer.echo(json.dumps(schema.json_schema(), indent=2))
    return 0
