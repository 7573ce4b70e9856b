"""How long work tells what it is doing, without knowing where that is shown."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol


class Progress(Protocol):
    """A list of titled phases; the CLI shows it live on a terminal and as plain lines in a pipe."""

    def phase(self, title: str) -> AbstractContextManager[None]:
        """Enter a phase; it is timed, and marked failed where its body raises."""

    def note(self, line: str) -> None:
        """Say a detail of the current phase."""

    def board(self, lines: Sequence[str]) -> None:
        """Replace the lines that stand below the current phase, such as one for each machine."""


class Silent:
    """Progress that nobody watches: for tests and for library use."""

    def phase(self, title: str) -> AbstractContextManager[None]:
        from contextlib import nullcontext

        return nullcontext()

    def note(self, line: str) -> None:
        return None

    def board(self, lines: Sequence[str]) -> None:
        return None
