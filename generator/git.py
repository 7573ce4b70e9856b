"""Commands of git that hints give, for a file wherever the person is who reads them."""

from __future__ import annotations

import shlex
from pathlib import Path

# What git leaves in a file that two people changed.
CONFLICT = "<<<<<<< "


def checkout(path: Path, commit: str = "HEAD") -> str:
    """`git checkout` of one file."""
    return f"{_git(path)} checkout {commit} -- {shlex.quote(path.name)}"


def log(path: Path) -> str:
    """`git log` of one file."""
    return f"{_git(path)} log -- {shlex.quote(path.name)}"


def conflict(text: str) -> int:
    """The line of the first marker of a merge that nobody resolved; 0 for none."""
    lines = enumerate(text.split("\n"), 1)
    return next((number for number, line in lines if line.startswith(CONFLICT)), 0)


def _git(path: Path) -> str:
    """git in the folder of a file, which need not be that of the shell."""
    folder = path.parent
    return "git" if folder == Path() else f"git -C {shlex.quote(str(folder))}"
