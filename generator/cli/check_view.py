"""Checks as text for a person."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from providers import Check


def text(checks: Iterable[Check]) -> str:
    """A line for each check, and one with the remedy where it is not ok."""
    lines = []
    for check in checks:
        word = "ok  " if check.ok else "FAIL" if check.needed else "warn"
        lines.append(f"{word}  {check.subject}: {check.detail}")
        if check.hint and not check.ok:
            lines.append(f"      {check.hint}")
    return "\n".join(lines)
