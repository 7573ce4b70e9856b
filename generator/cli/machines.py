"""How `ssh` and `logs` read their words: [FILE] MACHINE [COMMAND...]."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from generator.cli.options import DEFAULT_FILE
from generator.errors import UserError

if TYPE_CHECKING:
    from generator.operations.project import Project
    from providers import Observed


def split(words: list[str]) -> tuple[Path, str, tuple[str, ...]]:
    """The definition (a word that ends in .yaml or .yml), the machine, the rest."""
    file = DEFAULT_FILE
    if words and words[0].endswith((".yaml", ".yml")):
        file, words = Path(words[0]), words[1:]
    if not words:
        raise UserError("Which machine?", "`anywhere status` lists them.")
    return file, words[0], tuple(words[1:])


def observed(project: Project, name: str) -> Observed:
    """The machine called `name`, as the target shows it."""
    machines = {machine.name: machine for machine in project.provider.observe(project.definition)}
    if name not in machines:
        there = f"There are: {', '.join(sorted(machines))}." if machines else "There are no machines yet: apply first."
        raise UserError(f"Cluster {project.definition.name} has no machine {name!r}.", there)
    return machines[name]
