"""Curves of values by position, such as the quality of each cycle."""

from collections.abc import Mapping

import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike, NDArray

from tasks.report.axis import Axis, axis_frame, axis_of
from tasks.report.number_text import floats, plain_number
from tasks.report.svg import at, figure, joined, legend_key, svg, usable

MOST_POINTS = 600
"""Points of a curve; longer ones are drawn as the means of equal stretches."""
COLOURS = 5


def curves(
    name: str,
    lines: Mapping[str, ArrayLike],
    *,
    x_name: str = "",
    unit: str = "",
    first: int = 1,
    share: bool = False,
) -> Markup:
    """Curves over one another.

    Args:
        name: What the values are.
        lines: Name -> a value for each position; NaN leaves a gap.
        x_name: What the positions are.
        unit: Printed behind the name.
        first: Number of the first position.
        share: Values are counts, and drawn as percent of their sum.
    """
    values = {line: floats(array) for line, array in lines.items()}
    title = f"{name} [{unit}]" if unit else name
    caption = [Markup("<b>{}{}</b>").format(title, f" by {x_name}" if x_name else "")]
    for number, line in enumerate(values):
        caption.append(legend_key(_colour(number), line))
    if share:
        values = {line: 100 * v / max(np.nansum(v), 1e-300) for line, v in values.items()}
    drawn = [_thinned(array) for array in values.values()]
    every = np.concatenate([array for array, _ in drawn]) if drawn else np.empty(0)
    every = every[usable(every)]
    if not len(every):
        return figure("short", joined(caption), Markup('<p class="note">No values.</p>'))
    longest = max(map(len, values.values()))
    x = Axis(first, first + max(longest - 1, 1), 40, 304)
    y = Axis(0, float(every.max()) * 1.05 or 1.0, 140, 8) if share else axis_of(every, 140, 8)
    parts = axis_frame(x, y, ticks=(5, 4), percent=share)
    for number, (array, step) in enumerate(drawn):
        path = _path(array, step, first, x, y)
        tip = f"{list(values)[number]}: {_span(array)}"
        shape = Markup('<path class="line {}" d="{}"><title>{}</title></path>')
        parts.append(shape.format(_colour(number), path, tip))
    return figure("short", joined(caption), svg(320, 164, title, parts))


def _colour(number: int) -> str:
    """Class of the style sheet; grey, which is hard to see, comes last."""
    return f"g{(number + 1) % COLOURS}"


def _thinned(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """Means of equal stretches, and how long a stretch is."""
    step = -(-len(values) // MOST_POINTS) or 1
    if step == 1:
        return values, 1
    padded = np.full(-(-len(values) // step) * step, np.nan)
    padded[: len(values)] = values
    table = padded.reshape(-1, step)
    counts = np.isfinite(table).sum(axis=1)
    sums = np.where(np.isfinite(table), table, 0).sum(axis=1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan), step


def _path(values: NDArray[np.float64], step: int, first: int, x: Axis, y: Axis) -> str:
    """A line through the values that can be drawn, broken where one is missing."""
    pieces = []
    pen = "M"
    for number, (value, can) in enumerate(zip(values.tolist(), usable(values), strict=True)):
        if can:
            pieces.append(f"{pen}{at(x(first + number * step + (step - 1) / 2))} {at(y(value))}")
        pen = "L" if can else "M"
    return "".join(pieces)


def _span(values: NDArray[np.float64]) -> str:
    inside = values[usable(values)]
    if not len(inside):
        return "no values"
    return f"{plain_number(float(inside.min()))} to {plain_number(float(inside.max()))}"
