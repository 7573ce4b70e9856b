"""Shows long work: a live phase list on a terminal, plain timed lines in a pipe. Always on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from generator.cli.pasteable import here

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

NOTES_SHOWN = 6
STATUS_SECONDS = 20  # between two lines in a pipe that say how far a phase is


def show(stream: TextIO | None = None) -> Phases:
    """The way to show work that suits `stream`, by default standard error."""
    stream = stream or sys.stderr
    return LivePhases(stream) if stream.isatty() else Phases(stream)


class Phases:
    """Plain lines: `[ 12.3s] title ... done`, seconds since the start."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._begin = time.monotonic()
        self._board: tuple[str, ...] = ()
        self._told = self._begin  # when something was said last

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
        self._line(f"  {here(line)}")

    def status(self, line: str) -> None:
        """Say how far the phase is, where nothing was said for a while."""
        if time.monotonic() - self._told >= STATUS_SECONDS:
            self.note(line)

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
        self._told = time.monotonic()
        self._stream.write(f"[{self._told - self._begin:6.1f}s] {text}\n")
        self._stream.flush()


class LivePhases(Phases):
    """Each phase spins with its time and last details, then leaves one line; a phase in a phase shows instead of it."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        from rich.console import Console
        from rich.spinner import Spinner

        self._console: Console = Console(file=stream, highlight=False)
        self._spinner = Spinner("dots")
        self._open: list[tuple[str, float]] = []
        self._notes: list[str] = []
        self._status: tuple[str, ...] = ()
        self._live: Live | None = None

    def note(self, line: str) -> None:
        line = here(line)
        if line.startswith("warning"):  # it must outlive its phase
            self._console.print(f"  {line}", style="yellow", markup=False)
        else:
            self._notes.append(line)

    def status(self, line: str) -> None:
        self._status = (line,)

    def board(self, lines: Sequence[str]) -> None:
        self._board = tuple(map(here, lines))

    def _enter(self, title: str) -> None:
        from rich.live import Live

        self._notes, self._status, self._board = [], (), ()
        self._open.append((title, time.monotonic()))
        if self._live is None:
            self._live = Live(get_renderable=self._render, console=self._console, refresh_per_second=5, transient=True)
            self._live.start()

    def _leave(self, title: str, outcome: str, seconds: float) -> None:
        from rich.text import Text

        if self._live and len(self._open) == 1:  # before its title goes, as stopping draws once more
            self._live.stop()
            self._live = None
        self._open.pop()
        self._notes, self._status, self._board = [], (), ()
        mark = ("✓", "green") if outcome == "done" else ("✗", "red")
        self._console.print(Text.assemble(mark, f" {title}  ", (f"{seconds:.1f} s", "dim")))

    def _render(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        title, begin = self._open[-1] if self._open else ("", time.monotonic())
        self._spinner.update(text=Text.assemble(title, (f"  {time.monotonic() - begin:.0f} s", "dim")))
        room = max(NOTES_SHOWN, self._console.height - 4)
        details = [*self._notes[-NOTES_SHOWN:], *self._status, *self._board][-room:]
        lines = (Text(f"    {line}", style="dim", no_wrap=True, overflow="ellipsis") for line in details)
        return Group(self._spinner, *lines)
