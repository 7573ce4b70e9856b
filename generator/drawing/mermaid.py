"""A picture as a Mermaid flowchart, which GitHub draws in Markdown. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from generator.drawing.card_text import heading, identified, lines, marked
from generator.drawing.diagram import CLIENTS, MARKED, Diagram
from generator.drawing.mark_colours import LIGHT

# Mermaid reads words, brackets and marks of Markdown in labels, so what is not surely text is written by its number.
_UNSURE = re.compile(r"[\x21-\x27\x2a\x3b-\x40\x5b-\x60\x7b-\x7e]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def write(diagram: Diagram) -> str:
    """The picture as the text of a Mermaid block."""
    return "\n".join(["flowchart TB", *_body(diagram)]) + "\n"


def _body(diagram: Diagram) -> Iterator[str]:
    areas = identified(diagram)
    yield f"  accTitle: {_told(diagram.title)}"
    yield f"  accDescr: {_told(diagram.summary)}"
    yield f"  clients([{_label(CLIENTS)}])"
    yield f"  entry[{_label((diagram.entry.name, diagram.entry.detail))}]"
    yield "  clients --> entry"
    yield f"  subgraph network[{_label((diagram.network,))}]"
    for number, (area, cards) in enumerate(zip(diagram.areas, areas, strict=True)):
        yield f"    subgraph area{number}[{_label((heading(area),))}]"
        for name, card in cards:
            style = f":::{MARKED[card.mark]}" if card.mark else ""
            yield f"      {name}[{_label(lines(card))}]{style}"
        yield "    end"
    yield f"    pods[{_label((diagram.pods, *diagram.pod_facts))}]"
    yield "  end"
    yield from (f"  entry --> {name}" for cards in areas for name, card in cards if card.entered)
    yield from (f"  {name} --- pods" for cards in areas for name, _ in cards)
    yield from _legend(diagram)


def _legend(diagram: Diagram) -> Iterator[str]:
    for mark, meaning in diagram.legend.marks.items():
        yield f"  {MARKED[mark]}[{_label((marked(mark, meaning),))}]:::{MARKED[mark]}"
    if diagram.legend.remark:
        yield f"  remark[{_label((diagram.legend.remark,))}]"
    for mark in diagram.legend.marks:
        yield f"  classDef {MARKED[mark]} {_style(MARKED[mark])}"


def _style(effect: str) -> str:
    colours = LIGHT[effect]
    dashed = ",stroke-dasharray:6 4" if effect == "destroyed" else ""
    return f"fill:{colours.fill},stroke:{colours.stroke},stroke-width:2px{dashed},color:#1c232b"


def _label(parts: Iterable[str]) -> str:
    return '"' + "<br/>".join(_escaped(part) for part in parts) + '"'


def _escaped(text: str) -> str:
    return _UNSURE.sub(lambda found: f"#{ord(found[0])};", _CONTROL.sub(" ", text))


def _told(text: str) -> str:
    """A line for screen readers, of which Mermaid takes all up to its end but for `#` and `;`."""
    return re.sub("[#;{}]", " ", _CONTROL.sub(" ", text))
