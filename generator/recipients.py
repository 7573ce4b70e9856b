"""Who may open a store besides its writer: X25519 recipients of age, `age1...`, which are public."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from generator.directories import of_user
from generator.errors import UserError

VARIABLE = "ANYWHERE_AGE_RECIPIENTS"
PREFIX = "age1"


def is_valid(text: str) -> bool:
    """Whether `text` is an X25519 recipient, as `age-keygen -y` prints it."""
    import pyrage  # type: ignore[import-untyped]

    try:
        return text.startswith(PREFIX) and bool(pyrage.x25519.Recipient.from_str(text))
    except pyrage.RecipientError:
        return False


def from_environment() -> tuple[str, ...]:
    """The recipients in ANYWHERE_AGE_RECIPIENTS: separated by commas or new lines, or the path of a file of them."""
    given = os.environ.get(VARIABLE, "").strip()
    if not given:
        return ()
    is_list = given.startswith((PREFIX, "#")) or "," in given or "\n" in given
    return _parse(given, VARIABLE) if is_list else _read(of_user(given))


def wanted(listed: Sequence[str], own: Sequence[str]) -> tuple[str, ...]:
    """Whom to encrypt to: those `listed` in the definition and those of the environment.

    The `own` recipients, those of the key at hand, are added where the definition lists none. UserError where it does,
    and none of them is among all these: whoever wrote the store could not open it again.
    """
    others = (*listed, *from_environment())
    if listed and not set(own) & set(others):
        raise UserError(
            f"The age key at hand, {' or '.join(own)}, is not among spec.access.age_recipients:"
            " you could not open what you write.",
            f"Add {own[0]} to the list, or set ANYWHERE_AGE_KEY to a key that is on it. Nothing was written.",
        )
    return tuple(sorted({*others, *(() if listed else own)}))


def _read(path: Path) -> tuple[str, ...]:
    try:
        return _parse(path.read_text("ascii"), str(path))
    except OSError as error:
        raise UserError(
            f"{VARIABLE} is neither a list of age recipients nor the path of a file of them: {error.strerror}.",
            f"Write {PREFIX}... (one or more, separated by commas), or the path of a file with one on each line.",
        ) from None
    except ValueError:
        return _parse("?", str(path))


def _parse(text: str, source: str) -> tuple[str, ...]:
    lines = (line for line in text.splitlines() if not line.strip().startswith("#"))
    words = [word for line in lines for word in re.split(r"[,\s]+", line.strip()) if word]
    for number, word in enumerate(words, 1):
        if not is_valid(word):
            raise UserError(
                f"Entry {number} of {source} is not an age recipient.",
                f"A recipient is the public half of a key, {PREFIX}...; `anywhere secrets key` prints yours.",
            )
    return tuple(dict.fromkeys(words))
