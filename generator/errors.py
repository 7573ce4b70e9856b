"""The errors a user can fix. Libraries raise them; only the CLI prints them and exits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ROOT = "."  # the path of a problem of the whole file


class UserError(Exception):
    """Something the user can fix: `message` says what is wrong and where, `hint` what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file: `path` is dotted (`spec.etcd.count`), ROOT for all of it; `line` counts from 1."""

    path: str
    line: int
    message: str
    hint: str = ""

    @property
    def said(self) -> str:
        """Where and what it is, and what to do; the whole file needs no path."""
        where = "" if self.path == ROOT else f"{self.path}: "
        return f"{where}{self.message}" + (f" ({self.hint})" if self.hint else "")


class InvalidFile(UserError):
    """A file with problems, all of them, in the order of their lines; the message has the first ones."""

    SHOWN = 50

    def __init__(self, file: str, problems: Sequence[Problem]) -> None:
        self.file = file
        self.problems = tuple(sorted(problems, key=lambda p: (p.line, p.path)))
        first = self.problems[: self.SHOWN]
        lines = [f"{file}:{p.line}: {p.said}" for p in first]
        if more := len(self.problems) - len(first):
            lines.append(f"{file}: and {more} more")
        super().__init__("\n".join(lines), f"Fix {file} and run the same command again.")
