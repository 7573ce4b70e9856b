"""A plan for a person, for a program and for a pull request: the same content each time, and no secret."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict

import typer

from generator.cli import pasteable
from generator.operations.review import Item, Review
from generator.terraform import Change, Plan

SYMBOLS = {"create": "+", "started": "+", "replace": "±", "delete": "-", "stopped": "-", "move": ">", "import": "<"}
PAST = {"create": "to create", "update": "to update", "replace": "to replace", "delete": "to destroy"}
EFFECTS = {
    "create": "created",
    "update": "updated",
    "replace": "destroyed and created again",
    "delete": "destroyed",
    "": "changed in place",
}
DESTROYING = ("replace", "delete")


def show(review: Review, remark: str = "") -> None:
    """Print a plan for a person; in colour on a terminal, unless NO_COLOR is set."""
    typer.echo(pasteable.here(text(review, remark)), color=False if os.environ.get("NO_COLOR") else None)


def text(review: Review, remark: str = "") -> str:
    """A plan for a person, with a last line about it. What is destroyed is red, also where no terminal shows it."""
    lines = [f"  ! {change.address} is not as it was left ({change.action})" for change in review.plan.drift]
    for section in review.sections:
        width = max(len(item.subject) for item in section.items)
        lines += [f"{section.title}:", *(_line(item, width) for item in section.items)]
    lines += [f"  ! {notice.field}: {notice.text}." for notice in review.notices]
    return "\n".join([*lines, verdict(review.plan), *([remark] if remark else [])])


def _line(item: Item, width: int) -> str:
    symbol = SYMBOLS.get(item.effect, "~")
    plain = item.effect in ("create", "update")  # which the symbol says
    said = "; ".join(part for part in (", ".join(item.details), "" if plain else effect(item)) if part)
    line = f"  {symbol} {item.subject.ljust(width)}  {said}".rstrip()
    return typer.style(line, fg="red") if item.effect in DESTROYING else line


def effect(item: Item) -> str:
    """What happens to the subject of a line."""
    return EFFECTS.get(item.effect, item.effect)


def verdict(plan: Plan) -> str:
    """A plan in one line."""
    if plan.empty:
        return "No changes: everything is as the definition wants it."
    counts = plan.counts()
    parts = [f"{number} {PAST.get(action, action)}" for action, number in counts.items()]
    return "Plan: " + (", ".join(parts) if parts else "only outputs change") + "."


def document(review: Review, remarks: Sequence[str] = ()) -> str:
    """A plan for a program, as JSON."""
    plan = review.plan

    def listed(changes: tuple[Change, ...]) -> list[dict[str, str]]:
        return [asdict(change) for change in changes]

    content = {"changes": listed(plan.changes), "drift": listed(plan.drift), "counts": plan.counts()}
    sections = [asdict(section) for section in review.sections]
    notices = [asdict(notice) for notice in review.notices]
    said = {"sections": sections, "notices": notices, "remarks": list(remarks)}
    return pasteable.document({**content, "empty": plan.empty, **said})


def markdown(review: Review, title: str, remarks: Sequence[str] = ()) -> str:
    """A plan for a pull request: GitHub's Markdown, with a table where anything changes."""
    drift = [f"- `{change.address}` is not as it was left ({change.action})" for change in review.plan.drift]
    rows = list(_rows(review))
    table = ["| where | what | change | effect |", "|---|---|---|---|", *rows] if rows else []
    notices = [f"- `{notice.field}`: {notice.text}." for notice in review.notices]
    parts = [f"### {title}", verdict(review.plan), "\n".join([*drift, *notices]), "\n".join(table), *remarks]
    return "\n\n".join(part for part in parts if part)


def _rows(review: Review) -> Iterator[str]:
    for section in review.sections:
        for item in section.items:
            said = f"**{effect(item)}**" if item.effect in DESTROYING else effect(item)
            cells = (section.title, f"`{item.subject}`", ", ".join(item.details), said)
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
