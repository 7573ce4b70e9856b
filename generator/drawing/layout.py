"""Where everything of a picture stands: boxes, lines and texts, in pixels. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from generator.drawing.diagram import CLIENTS, MARKED, ZONE, Area, Card, Diagram
from generator.drawing.text_width import width

MARGIN, PAD, GAP = 24, 14, 12
COLUMNS = 4  # cards beside each other; as many zones as there are stand beside each other all the same
TITLE, NAME, TEXT, SMALL = 20, 14, 12, 11  # font sizes
LINE = 17  # from one line of text to the next
HEADER = 62  # of the whole picture: its title on the left, clients on the right
ENTRY = 52  # the height of the boxes of clients and of their way in
ARROW = 44  # between these two
STREET = 62  # the upper part of the network's box, with its title; ways to masters are below that
CHIP = 20
TEXTS_FROM = 14  # the left edge of a card's text, past the stripe of its role


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle; `style` is a class, or several."""

    x: float
    y: float
    width: float
    height: float
    style: str
    radius: int = 8

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


@dataclass(frozen=True, slots=True)
class Label:
    """A line of text that begins, or where it is `centred` has its middle, at x; y is its baseline."""

    x: float
    y: float
    text: str
    size: int
    style: str = "text"
    bold: bool = False
    centred: bool = False

    @property
    def box(self) -> Box:
        """The most that it may take."""
        wide = width(self.text, self.size, bold=self.bold)
        return Box(self.x - wide / 2 if self.centred else self.x, self.y - self.size, wide, self.size * 1.25, "")


@dataclass(frozen=True, slots=True)
class Way:
    """A line that ends in an arrow."""

    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """All of a picture, each thing above those before it."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    ways: tuple[Way, ...]
    labels: tuple[Label, ...]


@dataclass(frozen=True, slots=True)
class _Row:
    """Areas beside each other, and how many cards each has beside each other."""

    areas: tuple[Area, ...]
    columns: tuple[int, ...]

    @property
    def least(self) -> float:
        """How wide its cards are at least."""
        return max(_card_width(area) for area in self.areas)

    def wide(self, card: float) -> float:
        """How wide it is where its cards are that wide."""
        own = sum(columns * card + (columns - 1) * GAP + 2 * PAD for columns in self.columns)
        return own + (len(self.areas) - 1) * GAP

    def card(self, wide: float) -> float:
        """How wide its cards are where it is that wide."""
        return (wide - self.wide(0)) / sum(self.columns)


class _Canvas:
    """What is drawn so far."""

    def __init__(self) -> None:
        self.boxes: list[Box] = []
        self.ways: list[Way] = []
        self.labels: list[Label] = []

    def box(self, x: float, y: float, wide: float, high: float, style: str, radius: int = 8) -> Box:
        self.boxes.append(Box(x, y, wide, high, style, radius))
        return self.boxes[-1]

    def two_lines(self, box: Box, name: str, detail: str) -> None:
        """A box with a name, and what is to know of it."""
        self.labels.append(Label(box.middle, box.y + 22, name, NAME, bold=True, centred=True))
        self.labels.append(Label(box.middle, box.y + 40, detail, TEXT, "muted", centred=True))


def lay_out(diagram: Diagram) -> Layout:
    """The picture of a diagram: clients and their way in at the top, then the network with its areas in rows."""
    rows, canvas = _rows(diagram.areas), _Canvas()
    inner = max(_header_width(diagram), *(row.wide(row.least) for row in rows), *_line_widths(diagram))
    usual = min(row.card(inner) for row in rows)
    right = MARGIN + inner + 2 * PAD
    canvas.box(0, 0, right + MARGIN, 0, "paper", 0)  # its height comes last
    entry = _header(canvas, diagram, right)
    network = canvas.box(MARGIN, MARGIN + HEADER + GAP, inner + 2 * PAD, 0, "network", 12)
    canvas.labels.append(Label(network.x + PAD, network.y + 26, diagram.network, NAME, bold=True))
    y, entered = network.y + STREET, []
    for row in rows:
        drawn = _draw_row(canvas, row, y, inner, usual)
        entered += [box for area, box in zip(row.areas, drawn, strict=True) if any(card.entered for card in area.cards)]
        y = drawn[0].bottom + GAP
    _lead(canvas, entry, network.y + STREET - 16, entered)
    y = _pod_network(canvas, diagram, y, inner) + PAD
    canvas.boxes[canvas.boxes.index(network)] = Box(*_at(network), y - network.y, network.style, network.radius)
    bottom = _legend(canvas, diagram, y) + MARGIN
    canvas.boxes[0] = Box(0, 0, right + MARGIN, bottom, "paper", 0)
    return Layout(right + MARGIN, bottom, tuple(canvas.boxes), tuple(canvas.ways), tuple(canvas.labels))


def _at(box: Box) -> tuple[float, float, float]:
    return box.x, box.y, box.width


def _rows(areas: Sequence[Area]) -> list[_Row]:
    """Areas side by side as long as their cards fit; zones in a row of their own, whose cards stand in columns."""
    rows: list[_Row] = []
    for area in areas:
        columns = 1 if area.kind == ZONE else max(1, min(len(area.cards), COLUMNS))
        last = rows[-1] if rows else None
        zones = last is not None and last.areas[0].kind == ZONE
        fits = last is not None and sum(last.columns) + columns <= COLUMNS and not zones
        if last and (fits if area.kind != ZONE else zones):
            rows[-1] = _Row((*last.areas, area), (*last.columns, columns))
        else:
            rows.append(_Row((area,), (columns,)))
    return rows


def _card_width(area: Area) -> float:
    """The least width of the cards of an area: none of its texts leaves it."""
    title = width(area.title, NAME, bold=True) + GAP + width(area.note, TEXT)
    return max(title, *(_text_width(card) for card in area.cards)) if area.cards else title


def _text_width(card: Card) -> float:
    mark = 2 * CHIP if card.mark else 0
    lines = [width(card.heading, NAME, bold=True) + mark, *(width(line, TEXT) for line in card.lines)]
    chips = sum(_chip_width(name) + GAP / 2 for name in card.runs)
    return max(*lines, chips) + TEXTS_FROM + GAP


def _chip_width(name: str) -> float:
    return width(name, SMALL, bold=True) + 12


def _entry_width(diagram: Diagram) -> float:
    entry = diagram.entry
    return max(width(entry.name, NAME, bold=True), width(entry.detail, TEXT)) + 2 * PAD


def _clients_width() -> float:
    return max(width(CLIENTS[0], NAME, bold=True), width(CLIENTS[1], TEXT)) + 2 * PAD


def _header_width(diagram: Diagram) -> float:
    """The least width that keeps the title from the clients, and the network's title from the way to the masters."""
    entry = _entry_width(diagram)
    title = max(width(diagram.title, TITLE, bold=True), width(diagram.subtitle, TEXT))
    below = width(diagram.network, NAME, bold=True) + 2 * PAD + entry / 2
    return max(title + 2 * MARGIN + _clients_width() + ARROW + entry - 2 * PAD, below)


def _line_widths(diagram: Diagram) -> Iterator[float]:
    """The widths of what stands on lines of its own."""
    yield width(diagram.pods, NAME, bold=True) + 2 * PAD
    for text in (*diagram.pod_facts, diagram.legend.remark):
        yield width(text, TEXT) + 2 * PAD
    for mark, meaning in diagram.legend.marks.items():
        yield _meaning_width(mark, meaning)


def _header(canvas: _Canvas, diagram: Diagram, right: float) -> Box:
    """The title, the clients, and the box of their way in."""
    canvas.labels.append(Label(MARGIN, MARGIN + 22, diagram.title, TITLE, bold=True))
    canvas.labels.append(Label(MARGIN, MARGIN + 44, diagram.subtitle, TEXT, "muted"))
    wide, clients = _entry_width(diagram), _clients_width()
    entry = canvas.box(right - wide, MARGIN, wide, ENTRY, "entry")
    canvas.two_lines(entry, diagram.entry.name, diagram.entry.detail)
    own = canvas.box(entry.x - ARROW - clients, MARGIN, clients, ENTRY, "clients", ENTRY // 2)
    canvas.two_lines(own, *CLIENTS)
    canvas.ways.append(Way(((own.right, own.y + ENTRY / 2), (entry.x, own.y + ENTRY / 2))))
    return entry


def _lead(canvas: _Canvas, entry: Box, street: float, entered: Iterable[Box]) -> None:
    """The ways from where clients come in to the areas with masters."""
    begin = [(entry.middle, entry.bottom), (entry.middle, street)]
    for area in entered:
        canvas.ways.append(Way((*begin, (area.middle, street), (area.middle, area.y))))
        begin = [] if area.middle < entry.middle else begin[-1:]  # nothing is drawn twice: it would look thicker


def _draw_row(canvas: _Canvas, row: _Row, y: float, inner: float, usual: float) -> list[Box]:
    """Areas of the same height. Zones share the width; of others, the last takes what is left of it."""
    zones = row.areas[0].kind == ZONE
    card = row.card(inner) if zones else max(usual, row.least)
    highest = max((_card_height(each) for area in row.areas for each in area.cards), default=0)
    deepest = max(-(-len(area.cards) // columns) for area, columns in zip(row.areas, row.columns, strict=True))
    high = 34 + max(1, deepest) * (max(highest, LINE) + GAP) - GAP + PAD
    x, drawn = float(MARGIN + PAD), []
    for area, columns in zip(row.areas, row.columns, strict=True):
        wide = columns * card + (columns - 1) * GAP + 2 * PAD
        if area is row.areas[-1]:
            wide = MARGIN + PAD + inner - x
        drawn.append(canvas.box(x, y, wide, high, f"area {area.kind}"))
        canvas.labels.append(Label(x + PAD, y + 22, area.title, NAME, bold=True))
        after = x + PAD + width(area.title, NAME, bold=True) + GAP
        if area.note:
            canvas.labels.append(Label(after, y + 22, area.note, TEXT, "muted"))
        for index, each in enumerate(area.cards):
            left, top = index % columns * (card + GAP), index // columns * (highest + GAP)
            _draw_card(canvas, each, Box(x + PAD + left, y + 34 + top, card, highest, ""))
        x += wide + GAP
    return drawn


def _card_height(card: Card) -> float:
    return 24 + len(card.lines) * LINE + (CHIP + 8 if card.runs else 0) + 10


def _draw_card(canvas: _Canvas, card: Card, place: Box) -> None:
    box = canvas.box(*_at(place), place.height, f"card {MARKED.get(card.mark, '')}".strip(), 6)
    canvas.box(box.x, box.y, 5, box.height, f"stripe {card.role}", 2)
    x, y = box.x + TEXTS_FROM, box.y + 22
    canvas.labels.append(Label(x, y, card.heading, NAME, bold=True))
    if card.mark:
        chip = canvas.box(box.right - CHIP - 6, box.y + 6, CHIP, CHIP, f"mark {MARKED[card.mark]}", CHIP // 2)
        canvas.labels.append(Label(chip.middle, chip.y + 15, card.mark, NAME, "on-mark", bold=True, centred=True))
    for line in card.lines:
        y += LINE
        canvas.labels.append(Label(x, y, line, TEXT, "muted"))
    for name in card.runs:
        chip = canvas.box(x, box.bottom - CHIP - 10, _chip_width(name), CHIP, f"chip {_styled(name)}", CHIP // 2)
        canvas.labels.append(Label(chip.middle, chip.y + 14, name, SMALL, "on-chip", bold=True, centred=True))
        x = chip.right + GAP / 2


def _styled(name: str) -> str:
    """The class of a chip: `runs-api-server`."""
    return f"runs-{name.replace(' ', '-').lower()}"


def _pod_network(canvas: _Canvas, diagram: Diagram, y: float, inner: float) -> float:
    """The band of the pod network below all machines; where it ends."""
    lines = _wrapped(diagram.pod_facts, inner - 2 * PAD)
    box = canvas.box(MARGIN + PAD, y, inner, 34 + len(lines) * LINE, "pods")
    canvas.labels.append(Label(box.x + PAD, y + 22, diagram.pods, NAME, bold=True))
    for index, line in enumerate(lines):
        canvas.labels.append(Label(box.x + PAD, y + 22 + (index + 1) * LINE, line, TEXT))
    return box.bottom


def _wrapped(parts: Sequence[str], wide: float) -> list[str]:
    """`parts` on as few lines as hold them."""
    lines: list[str] = []
    for part in parts:
        longer = f"{lines[-1]}  ·  {part}" if lines else part
        if lines and width(longer, TEXT) <= wide:
            lines[-1] = longer
        else:
            lines.append(part)
    return lines


def _meaning_width(mark: str, meaning: str) -> float:
    return CHIP + 8 + width(meaning, TEXT) + 2 * GAP


def _legend(canvas: _Canvas, diagram: Diagram, y: float) -> float:
    """What marks mean, below the network; where it ends."""
    legend, x = diagram.legend, float(MARGIN)
    if not legend.marks and not legend.remark:
        return y
    right, y = canvas.boxes[0].width - MARGIN, y + PAD
    for mark, meaning in legend.marks.items():
        wide = _meaning_width(mark, meaning)
        if x + wide > right:
            x, y = float(MARGIN), y + CHIP + GAP
        chip = canvas.box(x, y, CHIP, CHIP, f"mark {MARKED[mark]}", CHIP // 2)
        canvas.labels.append(Label(chip.middle, y + 15, mark, NAME, "on-mark", bold=True, centred=True))
        canvas.labels.append(Label(chip.right + 8, y + 14, meaning, TEXT))
        x += wide
    y += CHIP if legend.marks else 0
    if legend.remark:
        y += LINE
        canvas.labels.append(Label(MARGIN, y, legend.remark, TEXT, "muted"))
    return y
