"""A picture as SVG: one file, without scripts and links, for light and dark screens. Pure."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from generator.drawing.diagram import Diagram
from generator.drawing.layout import Box, Label, Way, lay_out
from generator.drawing.mark_colours import LIGHT

NAMESPACE = "http://www.w3.org/2000/svg"
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# By class: what it has on light screens, and on dark ones. Texts have a contrast of 4.5 to 1 or more.
_FILLS = {
    "paper": ("#ffffff", "#12161c"),
    "network": ("#f3f6fa", "#1a2029"),
    "area": ("#ffffff", "#12161c"),
    "zone": ("#fbfcfe", "#151a22"),
    "card": ("#ffffff", "#212a35"),
    "clients": ("#ffffff", "#212a35"),
    "entry": ("#e6f0ff", "#16304f"),
    "pods": ("#e9f7f1", "#14322a"),
    "created": (LIGHT["created"].fill, "#153822"),
    "changed": (LIGHT["changed"].fill, "#3f3210"),
    "replaced": (LIGHT["replaced"].fill, "#48201e"),
    "destroyed": (LIGHT["destroyed"].fill, "#48201e"),
    "stripe": ("#8593a3", "#8593a3"),
    "master": ("#2b6cd4", "#6aa5ff"),
    "etcd": ("#8a4fc9", "#c090f5"),
    "worker": ("#2f8a66", "#5fc79c"),
    "runs-api-server": ("#2560c0", "#9cc4ff"),
    "runs-etcd": ("#7c42ba", "#d3b1fa"),
    "runs-pods": ("#2a7556", "#86dcb6"),
    "mark": ("#59636e", "#9aa5b1"),
    "text": ("#1c232b", "#edf1f5"),
    "muted": ("#56616d", "#a3aeba"),
    "on-chip": ("#ffffff", "#12161c"),
    "on-mark": ("#ffffff", "#12161c"),
    "arrow": ("#2560c0", "#8ab8ff"),
}
_STROKES = {
    "network": ("#b9c4d0", "#3d4957"),
    "area": ("#d3dbe4", "#35404d"),
    "card": ("#c3cdd8", "#46525f"),
    "clients": ("#2560c0", "#8ab8ff"),
    "entry": ("#2560c0", "#8ab8ff"),
    "pods": ("#5aa98a", "#3f8a6b"),
    "created": (LIGHT["created"].stroke, "#57c878"),
    "changed": (LIGHT["changed"].stroke, "#e0b13c"),
    "replaced": (LIGHT["replaced"].stroke, "#ff8f87"),
    "destroyed": (LIGHT["destroyed"].stroke, "#ff8f87"),
    "way": ("#2560c0", "#8ab8ff"),
}
_PLAIN = """\
text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
.bold { font-weight: 600; }
.centred { text-anchor: middle; }
.way { fill: none; stroke-width: 2; stroke-linejoin: round; }
.zone { stroke-dasharray: 5 4; }
.created, .changed, .replaced, .destroyed { stroke-width: 2; }
.destroyed { stroke-dasharray: 6 4; }
.chip, .mark { stroke: none; }
"""
# The shape of a mark is of the colour that a machine's edge has.
_MARKS = ("created", "changed", "replaced", "destroyed")


def write(diagram: Diagram) -> str:
    """The picture as text of an SVG file."""
    layout = lay_out(diagram)
    wide, high = _number(layout.width), _number(layout.height)
    root = ElementTree.Element(
        "svg", {"xmlns": NAMESPACE, "width": wide, "height": high, "viewBox": f"0 0 {wide} {high}", "role": "img"}
    )
    root.set("aria-labelledby", "title desc")
    ElementTree.SubElement(root, "title", {"id": "title"}).text = _clean(diagram.title)
    ElementTree.SubElement(root, "desc", {"id": "desc"}).text = _clean(diagram.summary)
    ElementTree.SubElement(root, "style").text = f"\n{_style()}"
    for box in layout.boxes:
        _box(root, box)
    for way in layout.ways:
        _way(root, way)
    for label in layout.labels:
        _label(root, label)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _style() -> str:
    """The light colours, and the dark ones for screens that are."""
    light, dark = ("\n".join(_colours(which)) for which in (0, 1))
    return f"{_PLAIN}{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"


def _colours(which: int) -> list[str]:
    fills = [f".{name} {{ fill: {pair[which]}; }}" for name, pair in _FILLS.items()]
    strokes = [f".{name} {{ stroke: {pair[which]}; }}" for name, pair in _STROKES.items()]
    marks = [f".mark.{name} {{ fill: {_STROKES[name][which]}; stroke: none; }}" for name in _MARKS]
    return [*fills, *strokes, *marks]


def _box(root: ElementTree.Element, box: Box) -> None:
    at = {"x": box.x, "y": box.y, "width": box.width, "height": box.height, "rx": box.radius}
    ElementTree.SubElement(root, "rect", {"class": box.style, **{key: _number(value) for key, value in at.items()}})


def _way(root: ElementTree.Element, way: Way) -> None:
    """A line, and its arrow as a shape of its own: not every viewer draws markers."""
    points = " ".join(f"{_number(x)},{_number(y)}" for x, y in way.points)
    ElementTree.SubElement(root, "polyline", {"class": "way", "points": points})
    (before, _), (x, y) = way.points[-2:]
    down, right = ((x - 5, y - 9), (x + 5, y - 9)), ((x - 9, y - 5), (x - 9, y + 5))
    tip = ((x, y), *(down if before == x else right))
    shape = " ".join(f"{_number(x)},{_number(y)}" for x, y in tip)
    ElementTree.SubElement(root, "polygon", {"class": "arrow", "points": shape})


def _label(root: ElementTree.Element, label: Label) -> None:
    style = " ".join([label.style, *(["bold"] if label.bold else []), *(["centred"] if label.centred else [])])
    at = {"x": _number(label.x), "y": _number(label.y), "font-size": str(label.size)}
    ElementTree.SubElement(root, "text", {"class": style, **at}).text = _clean(label.text)


def _clean(text: str) -> str:
    """`text` without the characters that XML has no way to say."""
    return _NO_XML.sub("\ufffd", text)


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
