"""A plan as text for a person, and as JSON for a program."""

from __future__ import annotations

import json
from dataclasses import asdict

from generator.terraform import Change, Plan

SYMBOLS = {"create": "+", "update": "~", "replace": "±", "delete": "-", "move": ">", "import": "<", "forget": "."}
PAST = {"create": "to create", "update": "to update", "replace": "to replace", "delete": "to destroy"}


def summary(plan: Plan, remark: str = "") -> str:
    """A plan for a person, with a last line about it."""
    lines = [f"  ! {change.address} is not as it was left ({change.action})" for change in plan.drift]
    lines += [f"  {SYMBOLS.get(change.action, '?')} {change.address}" for change in plan.changes]
    return "\n".join([*lines, verdict(plan), *([remark] if remark else [])])


def verdict(plan: Plan) -> str:
    """A plan in one line."""
    if plan.empty:
        return "No changes: everything is as the definition wants it."
    counts = plan.counts()
    parts = [f"{number} {PAST.get(action, action)}" for action, number in counts.items()]
    return "Plan: " + (", ".join(parts) if parts else "only outputs change") + "."


def document(plan: Plan) -> str:
    """A plan for a program, as JSON."""

    def listed(changes: tuple[Change, ...]) -> list[dict[str, str]]:
        return [asdict(change) for change in changes]

    return json.dumps(
        {"changes": listed(plan.changes), "drift": listed(plan.drift), "counts": plan.counts(), "empty": plan.empty},
        indent=2,
    )
