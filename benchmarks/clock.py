"""Timing of one thing, several times."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: `seconds` are the single runs, `compared` is what the number is to be held against."""

    subject: str
    seconds: tuple[float, ...]
    compared: str

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def measure(subject: str, run: Callable[[], object], compared: str, times: int = 5) -> Row:
    """Run it `times` times; no run is left out, so the first also pays for what is cached later."""
    seconds = []
    for _ in range(times):
        begin = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begin)
    return Row(subject, tuple(seconds), compared)


def table(rows: list[Row]) -> str:
    """Milliseconds, in columns."""
    width = max(len(row.subject) for row in rows)
    lines = [f"{'':{width}}  {'min':>9}  {'median':>9}  {'max':>9}  ms, compared to"]
    for row in rows:
        numbers = (min(row.seconds), row.median, max(row.seconds))
        lines.append(
            f"{row.subject:{width}}  {'  '.join(f'{number * 1000:9.1f}' for number in numbers)}  {row.compared}"
        )
    return "\n".join(lines)
