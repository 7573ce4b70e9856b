"""A picture in the language of Graphviz. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from generator.drawing.card_text import heading, identified, lines, marked
from generator.drawing.diagram import CLIENTS, MARKED, Area, Card, Diagram
from generator.drawing.mark_colours import LIGHT

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DESTROYED = ', style="rounded,filled,dashed"'


def write(diagram: Diagram) -> str:
    """The picture as the text of a DOT file."""
    return "\n".join(_lines(diagram)) + "\n"


def _lines(diagram: Diagram) -> Iterator[str]:
    yield f"digraph {_quoted((diagram.title,))} {{"
    yield f'  graph [rankdir=TB, fontname="Helvetica", label={_quoted(_caption(diagram))}, labelloc=t];'
    yield '  node [shape=box, style="rounded,filled", fillcolor=white, fontname="Helvetica", fontsize=11];'
    yield '  edge [color="#2560c0"];'
    yield f"  clients [label={_quoted(CLIENTS)}, shape=oval];"
    yield f'  entry [label={_quoted((diagram.entry.name, diagram.entry.detail))}, fillcolor="#e6f0ff"];'
    yield "  clients -> entry;"
    yield "  subgraph cluster_network {"
    yield f'    graph [label={_quoted((diagram.network,))}, style="rounded,filled", fillcolor="#f3f6fa"];'
    areas = identified(diagram)
    for number, (area, cards) in enumerate(zip(diagram.areas, areas, strict=True)):
        yield from _area(number, area, cards)
    yield f'    pods [label={_quoted((diagram.pods, *diagram.pod_facts))}, fillcolor="#e9f7f1"];'
    yield "  }"
    yield from (f"  entry -> {name};" for cards in areas for name, card in cards if card.entered)
    yield from (f'  {name} -> pods [dir=none, color="#5aa98a"];' for cards in areas for name, _ in cards)
    yield "}"


def _area(number: int, area: Area, cards: Iterable[tuple[str, Card]]) -> Iterator[str]:
    yield f"    subgraph cluster_area{number} {{"
    yield f'      graph [label={_quoted((heading(area),))}, style="rounded,filled", fillcolor=white];'
    for name, card in cards:
        style = _style(MARKED[card.mark]) if card.mark else ""
        yield f"      {name} [label={_quoted(lines(card))}{style}];"
    if not area.cards:  # Graphviz draws no area without a node
        yield f'      empty{number} [label="", style=invis];'
    yield "    }"


def _style(effect: str) -> str:
    colours = LIGHT[effect]
    dashed = _DESTROYED if effect == "destroyed" else ""
    return f', fillcolor="{colours.fill}", color="{colours.stroke}", penwidth=2{dashed}'


def _caption(diagram: Diagram) -> tuple[str, ...]:
    """What stands above the picture, and what marks in it mean."""
    marks = [marked(mark, meaning) for mark, meaning in diagram.legend.marks.items()]
    remark = [diagram.legend.remark] if diagram.legend.remark else []
    return (f"{diagram.title}, {diagram.subtitle}", *([", ".join(marks)] if marks else []), *remark)


def _quoted(parts: Iterable[str]) -> str:
    r"""A string of DOT, with `\n` between its lines."""
    return '"' + r"\n".join(_escaped(part) for part in parts) + '"'


def _escaped(text: str) -> str:
    plain = _CONTROL.sub(" ", text).replace("&", "&amp;")  # Graphviz reads entities in labels
    return plain.replace("\\", "\\\\").replace('"', '\\"')
