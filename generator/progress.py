"""How long work tells what it is doing, without knowing where that is shown."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

TICK = 1.0  # seconds between two looks at how far work is


class Progress(Protocol):
    """A list of titled phases; the CLI shows it live on a terminal and as plain lines in a pipe."""

    def phase(self, title: str) -> AbstractContextManager[None]:
        """Enter a phase; it is timed, and marked failed where its body raises."""

    def note(self, line: str) -> None:
        """Say a detail of the current phase."""

    def board(self, lines: Sequence[str]) -> None:
        """Replace the lines that stand below the current phase, such as one for each machine."""

    def status(self, line: str) -> None:
        """Say how far the current phase is, as often as it changes; shown as often as suits whoever watches."""


class Silent:
    """Progress that nobody watches: for tests and for library use."""

    def phase(self, title: str) -> AbstractContextManager[None]:
        from contextlib import nullcontext

        return nullcontext()

    def note(self, line: str) -> None:
        return None

    def board(self, lines: Sequence[str]) -> None:
        return None

    def status(self, line: str) -> None:
        return None


@contextmanager
def counted(progress: Progress, title: str, unit: str, total: int) -> Iterator[Callable[[], None]]:
    """Show how many of `total` are done, and about how long the rest takes, while the body runs.

    The body calls what it is given once for each. `unit` is their plural: `packages`.
    """
    begin = time.monotonic()
    done = 0
    over = threading.Event()

    def count() -> None:
        nonlocal done
        done += 1

    def tell() -> None:
        while not over.wait(TICK):
            progress.status(f"{title}: {how_far(done, total, unit, time.monotonic() - begin)}")

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield count
    finally:
        over.set()
        teller.join()


def how_far(done: int, total: int, unit: str, seconds: float) -> str:
    """`120 of 480 packages (25%), about 3 min left`, after `seconds` of work; the time alone once all are done."""
    if done >= total:
        return f"all {total} {unit} done, finishing ({_duration(seconds)})"
    said = f"{done} of {total} {unit} ({100 * done // total}%)"
    return f"{said}, about {_duration(seconds / done * (total - done))} left" if done else said


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
