"""A graph of nodes as a drawing for the page: a row for each level, a box for each node."""

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from tasks.dag import Graph, levels
from tasks.report.svg import at, figure, svg

WIDE, HIGH = 164.0, 62.0
GAP, STEP = 22.0, 100.0
LEAST_WIDE = 720.0
LETTERS = 22
CAPTION = "State, items and time of each node; a click leads to its items."
LINES = Markup('<path class="graph-line{}" d="M{} {}C{} {},{} {},{} {}"/>')
BOX = Markup(
    '<a href="#node-{}"><g class="graph-node {}"><title>{}</title>'
    '<rect x="{}" y="{}" width="{}" height="{}" rx="6"/>'
    '<text class="name middle" x="{}" y="{}">{}</text>'
    '<text class="middle" x="{}" y="{}">{}</text><text class="middle" x="{}" y="{}">{}</text>'
    "</g></a>"
)


@dataclass(frozen=True, slots=True)
class Box:
    """What a node's box tells."""

    state: str
    """`COMPLETED`, `CACHED`, `FAILED`, `SKIPPED`, `CANCELLED` or `PENDING`."""
    items: str
    """Second line."""
    below: str
    """Third line."""
    title: str
    """In full, for who points at it."""
    anchor: str


def drawn(needs: Graph, boxes: Mapping[str, Box], caption: str = CAPTION) -> Markup:
    """The drawing; boxes lead to their node's place on the page, `#node-<anchor>`."""
    rows = levels(needs)
    width = max(max(len(row) for row in rows) * (WIDE + GAP) + GAP, LEAST_WIDE)
    places: dict[str, tuple[float, float]] = {}
    for depth, row in enumerate(rows):
        left = (width - len(row) * (WIDE + GAP) + GAP) / 2
        for place, name in enumerate(_ordered(row, needs, places)):
            places[name] = (left + place * (WIDE + GAP), GAP / 2 + depth * STEP)
    parts = [
        _line(places[parent], places[name], boxes[name].state == "SKIPPED")
        for name in needs
        for parent in needs[name]
    ]
    parts += [_box(name, boxes[name], *places[name]) for name in places]
    height = len(rows) * STEP - STEP + HIGH + GAP
    drawing = svg(width, height, "the graph", parts)
    bounded = Markup('<div class="graph">{}</div>').format(drawing)
    return figure("graph-figure", Markup("<span>{}</span>").format(caption), bounded)


def _ordered(row: list[str], needs: Graph, places: Mapping[str, tuple[float, float]]) -> list[str]:
    """The nodes of a level, each below the middle of what it needs, so that few lines cross."""

    def middle(name: str) -> float:
        above = [places[parent][0] for parent in needs[name]]
        return sum(above) / len(above) if above else 0.0

    return sorted(row, key=middle)


def _line(start: tuple[float, float], end: tuple[float, float], faint: bool) -> Markup:
    x1, y1, x2, y2 = start[0] + WIDE / 2, start[1] + HIGH, end[0] + WIDE / 2, end[1]
    bend = (y2 - y1) / 2
    points = (x1, y1, x1, y1 + bend, x2, y2 - bend, x2, y2)
    return LINES.format(" faint" if faint else "", *map(at, points))


def _box(name: str, box: Box, x: float, y: float) -> Markup:
    short = name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…"
    centre = at(x + WIDE / 2)
    return BOX.format(
        box.anchor, box.state.lower(), box.title, at(x), at(y), at(WIDE), at(HIGH),
        centre, at(y + 19), short, centre, at(y + 35), box.items, centre, at(y + 51), box.below,
    )  # fmt: skip
