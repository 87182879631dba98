"""Two measures of the same items against each other."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike, NDArray

from tasks.report.axis import Axis, axis_frame, axis_of
from tasks.report.colours import levels_of, merged_cells, scale_legend
from tasks.report.number_text import floats
from tasks.report.svg import TEXT, at, figure, joined, legend_key, svg, usable

MAX_POINTS = 1_500
"""Points drawn one by one; more are counted in bins."""
_BINS = (60, 40)
"""Across and up."""
_CIRCLE = Markup('<circle class="{}" cx="{}" cy="{}" r="4.5"><title>{}</title></circle>')
_DIAMOND = Markup('<path class="{}" d="M{} {}m0-8l8 8l-8 8l-8-8z"><title>{}</title></path>')


class Point(NamedTuple):
    """A point of a scatter plot that is drawn for itself."""

    x: float
    y: float
    label: str


def scatter(
    x: ArrayLike,
    y: ArrayLike,
    *,
    names: tuple[str, str],
    front: Sequence[Point] = (),
    front_name: str = "Pareto front",
    marks: Sequence[Point] = (),
    what: str = "items",
) -> Markup:
    """Two measures against each other: few items as points, many as counts in bins.

    Args:
        x: Values, shape (n,); pairs with a missing one are left out.
        y: Values, shape (n,).
        names: Of the two axes.
        front: Items drawn for themselves, with their label under the pointer.
        front_name: What these are called in the legend.
        marks: Reference items, drawn as labelled diamonds.
        what: What the items are called in the legend.
    """
    xs, ys = floats(x), floats(y)
    both = usable(xs) & usable(ys)
    xs, ys = xs[both], ys[both]
    singles = [p for p in (*front, *marks) if usable(np.array([p.x, p.y])).all()]
    ax = axis_of(np.concatenate([xs, [p.x for p in singles]]), 64, 680)
    ay = axis_of(np.concatenate([ys, [p.y for p in singles]]), 390, 30)
    caption, cloud = _cloud(xs, ys, (ax, ay), what)
    parts = [*axis_frame(ax, ay), *cloud]
    for kind, points, shape in (("front", front, _CIRCLE), ("mark", marks, _DIAMOND)):
        parts += [
            shape.format(kind, at(ax(p.x)), at(ay(p.y)), p.label) for p in points if p in singles
        ]
    if front:
        caption.append(legend_key("front", f"{front_name}: {len(front):,}"))
    caption += [legend_key("mark", p.label) for p in marks if p in singles]
    parts.append(TEXT.format("name end", "690", "426", names[0]))
    parts.append(TEXT.format("name", "6", "14", names[1]))
    drawing = svg(700, 432, f"{names[1]} against {names[0]}", parts)
    return figure("frame", joined(caption), drawing)


def _cloud(
    xs: NDArray[np.float64], ys: NDArray[np.float64], axes: tuple[Axis, Axis], what: str
) -> tuple[list[Markup], list[Markup]]:
    """Legend and drawing of many items: points, or bins coloured by their count."""
    ax, ay = axes
    if len(xs) <= MAX_POINTS:
        path = "".join(
            f"M{at(ax(x))} {at(ay(y))}h0" for x, y in zip(xs.tolist(), ys.tolist(), strict=True)
        )
        points = Markup('<path class="points" d="{}"/>').format(path)
        return [legend_key("g1", f"{len(xs):,} {what}")], [points]
    counts = np.histogram2d(xs, ys, _BINS, [(ax.low, ax.high), (ay.low, ay.high)])[0]
    size = ((ax.end - ax.start) / _BINS[0], (ay.start - ay.end) / _BINS[1])
    cells = merged_cells(levels_of(counts.T[::-1]), "s", (ax.start, ay.end), size)
    return [scale_legend("s", f"{len(xs):,} {what}, per bin", 1, float(counts.max()))], cells
