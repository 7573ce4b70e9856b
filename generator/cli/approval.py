"""Asking the user to approve a change."""

from __future__ import annotations

import sys

import typer

from generator.errors import UserError


def confirm(question: str, yes: bool) -> None:
    """Return where the user agrees, or did so beforehand; UserError where nobody is there to ask."""
    if yes:
        return
    require_terminal()
    if not typer.confirm(question, err=True):
        raise UserError("Nothing was changed: you did not approve it.")


def require_terminal() -> None:
    """UserError where nobody is there to ask."""
    if not sys.stdin.isatty():
        raise UserError(
            "Nothing was changed: there is no terminal to ask for approval on.", "Pass --yes (with make: APPROVE=yes)."
        )
