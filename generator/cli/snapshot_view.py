"""Snapshots of etcd as text for a person, and as JSON for a program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from generator.cli import pasteable
from generator.cli.tables import columns
from generator.operations.etcd_snapshots import Failure, Snapshot

HEAD = ("NAME", "AGE", "SIZE", "REVISION", "KEYS", "KUBERNETES", "MACHINE", "REASON")
LATE = 1.5  # of the time between two, as a machine may be down for a while
_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def table(snapshots: Sequence[Snapshot]) -> str:
    """Aligned columns, the newest snapshot first."""
    return columns(HEAD, [_cells(each) for each in reversed(snapshots)])


def document(snapshots: Sequence[Snapshot], failure: Failure | None) -> str:
    """For a program, as JSON."""
    shown = [{**asdict(each), "taken": each.taken.isoformat()} for each in reversed(snapshots)]
    return pasteable.document({"snapshots": shown, "failure": asdict(failure) if failure else None})


def warnings(snapshots: Sequence[Snapshot], failure: Failure | None, every: int) -> list[str]:
    """What is wrong with them; `every` is how often one is to be taken, in seconds."""
    lines = []
    if failure == Failure():
        lines.append("The last attempt failed, on a machine whose report cannot be read.")
    elif failure:
        lines.append(f"The last attempt failed, on {failure.machine} at {failure.at}: {failure.reason}")
    if not snapshots:
        lines.append("There is no snapshot yet.")
    elif (age := _age(snapshots[-1])) > every * LATE:
        lines.append(f"The last snapshot is {_span(age)} old; one is due every {_span(every)}.")
    return lines


def _cells(snapshot: Snapshot) -> tuple[str, ...]:
    numbers = (f"{snapshot.bytes / 1e6:.1f} MB", str(snapshot.revision), str(snapshot.keys))
    return (
        snapshot.name,
        _span(_age(snapshot)),
        *numbers,
        snapshot.kubernetes,
        snapshot.machine,
        snapshot.reason,
    )


def _age(snapshot: Snapshot) -> float:
    return max(0.0, (datetime.now(UTC) - snapshot.taken).total_seconds())


def _span(seconds: float) -> str:
    """The largest unit that it has at least two of, as kubectl shows ages."""
    size, unit = next((each for each in _UNITS if seconds >= 2 * each[0]), _UNITS[-1])
    return f"{seconds // size:.0f}{unit}"
