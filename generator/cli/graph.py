"""`anywhere graph`: the cluster of a definition, as a picture."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from generator.cli.options import DEFAULT_FILE, DEFAULT_PROVIDER, File, ProviderName
from generator.errors import UserError

STANDARD_INPUT = Path("-")


class Format(StrEnum):
    """How the picture is written."""

    SVG = "svg"
    MERMAID = "mermaid"
    DOT = "dot"


AsFormat = Annotated[
    Format,
    typer.Option(
        "--format", help="svg: an image; mermaid: a flowchart for Markdown, as GitHub draws it; dot: for Graphviz."
    ),
]
PlanFile = Annotated[
    Path | None,
    typer.Option(
        "--plan", metavar="FILE", help="Mark what this output of `anywhere plan --json` changes; - for standard input."
    ),
]


def run(
    file: File = DEFAULT_FILE,
    provider: ProviderName = DEFAULT_PROVIDER,
    output: AsFormat = Format.SVG,
    plan: PlanFile = None,
) -> int:
    """Draw the cluster of a definition."""
    from generator.drawing import dot, mermaid, svg
    from generator.operations import drawing
    from generator.operations.project import open_project

    project = open_project(file, provider, None)
    picture = drawing.draw_plan(project, _read(plan), str(plan)) if plan else drawing.draw(project)
    writers = {Format.SVG: svg.write, Format.MERMAID: mermaid.write, Format.DOT: dot.write}
    typer.echo(writers[output](picture), nl=False)
    return 0


def _read(plan: Path) -> str:
    try:
        return sys.stdin.read() if plan == STANDARD_INPUT else plan.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UserError(f"{plan} is not text.", "Give it the output of `anywhere plan --json`.") from None
