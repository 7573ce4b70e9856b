"""How verbs read words of which the first may be the definition: [FILE] NAME [MORE...]."""

from __future__ import annotations

from pathlib import Path

from generator.cli.options import DEFAULT_FILE
from generator.errors import UserError


def is_file(word: str) -> bool:
    """Whether a word is the definition: names of machines, snapshots and users do not end so."""
    return word.endswith((".yaml", ".yml"))


def split(words: list[str]) -> tuple[Path, tuple[str, ...]]:
    """The definition, and the other words."""
    if words and is_file(words[0]):
        return Path(words[0]), tuple(words[1:])
    return DEFAULT_FILE, tuple(words)


def one_name(words: list[str], otherwise: UserError) -> tuple[Path, str]:
    """The definition and the name beside it; `otherwise` is raised where there is none, or more than one."""
    file, names = split(words)
    if len(names) != 1:
        raise otherwise
    return file, names[0]


def machine(words: list[str]) -> tuple[Path, str, tuple[str, ...]]:
    """The definition, the machine, the rest."""
    file, others = split(words)
    if not others:
        raise UserError("Which machine?", "`anywhere status` lists them.")
    return file, others[0], others[1:]
