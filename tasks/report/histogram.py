"""Distributions of one measure in several groups."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike, NDArray

from tasks.report.axis import Axis, axis_frame
from tasks.report.number_text import floats, plain_number
from tasks.report.svg import at, figure, joined, legend_key, svg, usable

MAX_BINS = 60
_GRID = 5_000
"""Most grid points that are looked for."""
_LOG_FROM = 1e4
"""Positive values whose largest is this many times the smallest get a logarithmic axis."""


def histogram(
    name: str,
    groups: Mapping[str, ArrayLike],
    *,
    unit: str = "",
    marks: Mapping[str, float] | None = None,
) -> Markup:
    """Distributions over one another: share of each group's values per bin.

    Args:
        name: What was measured.
        groups: Group -> values; missing and infinite ones are left out and counted.  The first
            group is filled, the others are outlined.
        unit: Printed behind the name.
        marks: Label -> value of a vertical line.
    """
    title = f"{name} [{unit}]" if unit else name
    values = {group: floats(array) for group, array in groups.items()}
    finite = {group: array[usable(array)] for group, array in values.items()}
    lines = {label: v for label, v in (marks or {}).items() if usable(np.array([v]))[0]}
    missing = {group: len(values[group]) - len(array) for group, array in finite.items()}
    pooled = np.concatenate([*finite.values(), list(lines.values())])
    log = bool(len(pooled)) and pooled.min() > 0 and pooled.max() > _LOG_FROM * pooled.min()
    caption = [Markup("<b>{}{}</b>").format(title, ", logarithmic axis" if log else "")]
    for i, (group, array) in enumerate(finite.items()):
        middle = f", median {plain_number(float(np.median(array)))}" if len(array) else ""
        left_out = f", {missing[group]:,} without a value" if missing[group] else ""
        caption.append(legend_key(f"g{min(i, 4)}", f"{group}: {len(array):,}{middle}{left_out}"))
    if not any(map(len, finite.values())):
        return figure("short", joined(caption), Markup('<p class="note">No values.</p>'))
    caption += [
        Markup('<span><span class="key at"></span>{}: {}</span>').format(label, plain_number(value))
        for label, value in lines.items()
    ]
    parts = _distributions(finite, lines, log=log)
    return figure("short", joined(caption), svg(320, 164, f"distribution of {title}", parts))


def _distributions(
    groups: Mapping[str, NDArray[np.float64]], lines: Mapping[str, float], *, log: bool
) -> list[Markup]:
    """Axes, one stepped outline per group that has values, and the marked lines."""
    drawn = {group: np.log10(array) if log else array for group, array in groups.items()}
    marked = {label: math.log10(v) if log else v for label, v in lines.items()}
    edges = bin_edges(np.concatenate(list(drawn.values())))
    span = np.concatenate([edges, list(marked.values())])
    x = Axis(float(span.min()), float(span.max()), 40, 304, log)
    shares = [100 * np.histogram(array, edges)[0] / max(len(array), 1) for array in drawn.values()]
    y = Axis(0, max(float(share.max()) for share in shares) * 1.05, 140, 8)
    parts = axis_frame(x, y, ticks=(4, 3), percent=True)
    for i, share in enumerate(shares):
        if share.any():
            path = _steps([x(e) for e in edges.tolist()], [y(s) for s in share.tolist()], 140)
            shape = Markup('<path class="{} g{}" d="{}"/>')
            parts += [shape.format(kind, min(i, 4), path) for kind in ("area", "line")[: i + 1]]
    shape = Markup('<path class="at" d="M{} 8V140"><title>{}</title></path>')
    parts += [shape.format(at(x(marked[k])), f"{k}: {plain_number(lines[k])}") for k in marked]
    return parts


def _steps(edges: Sequence[float], tops: Sequence[float], floor: float) -> str:
    """Path of a stepped outline that starts and ends on the floor."""
    steps = [f"V{at(t)}H{at(e)}" for t, e in zip(tops, edges[1:], strict=True)]
    return f"M{at(edges[0])} {at(floor)}{''.join(steps)}V{at(floor)}"


def bin_edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Edges of at most `MAX_BINS` equal bins (Freedman-Diaconis).

    Values that lie on a grid (counts, multiples of 1/150) get bins of whole grid steps: others
    would hold now one grid point, now two, and look like a comb.
    """
    low, high = float(values.min()), float(values.max())
    span = high - low
    if span <= 1e-12 * max(abs(low), abs(high)):
        half = abs(low) * 0.05 or 0.5
        return np.linspace(low - half, low + half, 12)
    steps = np.diff(np.unique(np.round((values - low) / span, 9)))
    if len(steps) < _GRID:
        grid = steps / steps.min()
        count = round(1 / steps.min())
        if count < _GRID and np.abs(grid - np.round(grid)).max() < 1e-3:  # noqa: PLR2004
            width = span / count
            per_bin = math.ceil((count + 1) / MAX_BINS)
            edges = low + width * (per_bin * np.arange(math.ceil((count + 1) / per_bin) + 1) - 0.5)
            return np.asarray(edges, np.float64)
    quartiles = np.percentile(values, [25, 75])
    width = 2 * (quartiles[1] - quartiles[0]) / len(values) ** (1 / 3)
    bins = MAX_BINS if width <= 0 else math.ceil(min(span / width, MAX_BINS))
    return np.linspace(low, high, max(bins, 10) + 1)
