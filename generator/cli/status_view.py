"""The machines, checks and certificates of a cluster as text for a person, and as JSON for a program."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from generator.cli import check_view
from generator.cli.tables import columns
from generator.status import Expiry, Row

if TYPE_CHECKING:
    from providers import Check

HEAD = ("MACHINE", "ROLE", "STATE", "STAGE", "READY", "VERSION", "ADDRESS", "NOTE")
SOON_DAYS = 30


def text(rows: tuple[Row, ...], checks: tuple[Check, ...], certificates: tuple[Expiry, ...]) -> str:
    """For a person: the machines, what works, then the certificates that expire soon, else the first that will."""
    lines = [table(rows), *([check_view.text(checks)] if checks else [])]
    ending = [c for c in certificates if c.days < SOON_DAYS]
    lines += [f"Certificate {c.certificate} expires in {c.days} days: run `anywhere apply`." for c in ending]
    if certificates and not ending:
        first = certificates[0]
        lines.append(f"Certificates: the first to expire is {first.certificate}, in {first.days} days.")
    return "\n".join(lines)


def table(rows: tuple[Row, ...]) -> str:
    """The machines as aligned columns."""
    return columns(HEAD, [_cells(row) for row in rows])


def document(rows: tuple[Row, ...], checks: tuple[Check, ...], certificates: tuple[Expiry, ...]) -> str:
    """For a program, as JSON."""
    return json.dumps(
        {
            "machines": [{**asdict(row), "healthy": row.healthy} for row in rows],
            "checks": [asdict(check) for check in checks],
            "certificates": [{**asdict(c), "at": c.at.isoformat()} for c in certificates],
        },
        indent=2,
    )


def _cells(row: Row) -> tuple[str, ...]:
    state = "running" if row.running else "stopped" if row.presence == "present" else row.presence
    ready = {True: "yes", False: "no", None: "-"}[row.ready]
    return row.machine, row.role, state, row.stage or "-", ready, row.version or "-", row.address or "-", row.note
