"""`anywhere graph`: the cluster of a definition, as a picture."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from generator.cli.options import DEFAULT_FILE, DEFAULT_PROVIDER, File, ProviderName


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


def run(
    file: File = DEFAULT_FILE,
    provider: ProviderName = DEFAULT_PROVIDER,
    output: AsFormat = Format.SVG,
) -> int:
    """Draw the cluster of a definition."""
    from generator.drawing import dot, mermaid, svg
    from generator.operations import drawing
    from generator.operations.project import open_project

    writers = {Format.SVG: svg.write, Format.MERMAID: mermaid.write, Format.DOT: dot.write}
    typer.echo(writers[output](drawing.draw(open_project(file, provider, None))), nl=False)
    return 0
