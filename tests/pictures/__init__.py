"""Pictures of the examples, committed, also the one in `docs/`. `python -m tests.pictures` writes them anew."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import providers
from generator import schema
from generator.drawing import dot, mermaid, svg
from generator.drawing.diagram import Diagram
from generator.operations import drawing
from generator.operations.project import Project

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CASES = (("quickstart", "local"), ("ha", "local"), ("star-wars", "local"), ("star-wars", "aws"), ("star-wars", "gce"))
WRITERS = {"svg": svg.write, "mermaid": mermaid.write, "dot": dot.write}


def load(example: str, target: str) -> Project:
    """An example on a target, beside which there is no lock, whatever was applied in this clone."""
    definition = schema.load(ROOT / "examples" / example / "cluster.yaml")
    return Project(replace(definition, path=Path("absent", "cluster.yaml")), providers.load(target), Path("absent"))


def diagram(example: str, target: str) -> Diagram:
    return drawing.draw(load(example, target))


@cache
def wanted() -> dict[Path, str]:
    """Each committed picture, as it is drawn now."""
    found = {
        HERE / f"{example}-{target}.{suffix}": write(diagram(example, target))
        for example, target in CASES
        for suffix, write in WRITERS.items()
    }
    return {**found, ROOT / "docs" / "star-wars.svg": svg.write(diagram("star-wars", "aws"))}


def update() -> None:
    """Write every picture."""
    for path, text in wanted().items():
        path.write_text(text, encoding="utf-8")
