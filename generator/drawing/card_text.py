"""Cards and areas for the formats whose viewers arrange pictures themselves: lines of text, and an id."""

from __future__ import annotations

import re

from generator.drawing.diagram import Area, Card, Diagram

_PLAIN = re.compile(r"(etcd|master|worker)[a-z0-9-]*")


def lines(card: Card) -> tuple[str, ...]:
    """The name first, with the mark of a plan before it; what it runs last."""
    heading = marked(card.mark, card.heading) if card.mark else card.heading
    return (heading, *card.lines, *([", ".join(card.runs)] if card.runs else []))


def marked(mark: str, text: str) -> str:
    """`text` with the mark of a plan before it."""
    return f"({mark}) {text}"


def heading(area: Area) -> str:
    """The title of an area, and its note."""
    return f"{area.title} ({area.note})" if area.note else area.title


def identified(diagram: Diagram) -> tuple[tuple[tuple[str, Card], ...], ...]:
    """The cards of each area with their ids: their names, where these are as names of machines are."""
    return tuple(
        tuple((_id(card, f"machine{number}x{index}"), card) for index, card in enumerate(area.cards))
        for number, area in enumerate(diagram.areas)
    )


def _id(card: Card, otherwise: str) -> str:
    return card.key.replace("-", "_") if _PLAIN.fullmatch(card.key) else otherwise
