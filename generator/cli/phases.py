"""Shows long work: a live phase list on a terminal, plain timed lines in a pipe. Always on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

NOTES_SHOWN = 6


def show(stream: TextIO = sys.stderr) -> Phases:
    """The way to show work that suits `stream`."""
    return LivePhases(stream) if stream.isatty() else Phases(stream)


class Phases:
    """Plain lines: `[ 12.3s] title ... done`, seconds since the start."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._begin = time.monotonic()
        self._board: tuple[str, ...] = ()

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        """Time a phase and say how it ended."""
        begin = time.monotonic()
        self._enter(title)
        try:
            yield
        except BaseException:
            self._leave(title, "failed", time.monotonic() - begin)
            raise
        self._leave(title, "done", time.monotonic() - begin)

    def note(self, line: str) -> None:
        """Say a detail."""
        self._line(f"  {line}")

    def board(self, lines: Sequence[str]) -> None:
        """Replace the standing lines of the current phase; only those that changed are printed."""
        for line in lines:
            if line not in self._board:
                self.note(line)
        self._board = tuple(lines)

    def _enter(self, title: str) -> None:
        self._board = ()
        self._line(f"{title} ...")

    def _leave(self, title: str, outcome: str, seconds: float) -> None:
        self._line(f"{title} ... {outcome} ({seconds:.1f} s)")

    def _line(self, text: str) -> None:
        self._stream.write(f"[{time.monotonic() - self._begin:6.1f}s] {text}\n")
        self._stream.flush()


class LivePhases(Phases):
    """Each phase spins with its time and last details, then leaves one line."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        from rich.console import Console

        self._console: Console = Console(file=stream, highlight=False)
        self._notes: list[str] = []

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        from rich.live import Live
        from rich.markup import escape

        begin = time.monotonic()
        self._notes, self._board, outcome = [], (), "[red]✗[/red]"
        live = Live(
            get_renderable=lambda: self._render(title, time.monotonic() - begin),
            console=self._console,
            refresh_per_second=5,
            transient=True,
        )
        try:
            with live:
                yield
            outcome = "[green]✓[/green]"
        finally:
            self._console.print(f"{outcome} {escape(title)}  [dim]{time.monotonic() - begin:.1f} s[/dim]")

    def note(self, line: str) -> None:
        self._notes.append(line)

    def board(self, lines: Sequence[str]) -> None:
        self._board = tuple(lines)

    def _render(self, title: str, seconds: float) -> RenderableType:
        from rich.console import Group
        from rich.spinner import Spinner
        from rich.text import Text

        head = Spinner("dots", Text.assemble(title, (f"  {seconds:.0f} s", "dim")))
        # Rich animates by its own clock, so a new spinner each time still turns only where its start is fixed.
        head.start_time = 0.0
        room = max(NOTES_SHOWN, self._console.height - 4)
        details = [*self._notes[-NOTES_SHOWN:], *self._board][-room:]
        return Group(head, *(Text(f"    {line}", style="dim", no_wrap=True, overflow="ellipsis") for line in details))
