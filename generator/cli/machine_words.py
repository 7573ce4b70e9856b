"""How `ssh` and `logs` read their words: [FILE] MACHINE [COMMAND...]."""

from __future__ import annotations

from pathlib import Path

from generator.cli.options import DEFAULT_FILE
from generator.errors import UserError


def split(words: list[str]) -> tuple[Path, str, tuple[str, ...]]:
    """The definition (a word that ends in .yaml or .yml), the machine, the rest."""
    file = DEFAULT_FILE
    if words and words[0].endswith((".yaml", ".yml")):
        file, words = Path(words[0]), words[1:]
    if not words:
        raise UserError("Which machine?", "`anywhere status` lists them.")
    return file, words[0], tuple(words[1:])
