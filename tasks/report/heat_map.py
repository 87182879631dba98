"""A matrix as colours."""

from collections.abc import Collection, Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike, NDArray

from blocks.errors import InputError
from tasks.report.colours import levels_of, merged_cells, scale_legend
from tasks.report.number_text import floats, plain_number
from tasks.report.svg import LEFT, RECT, ROW, STEP, TEXT, WIDE, WRAP, at, figure, legend_key, svg

MAX_TIPS = 3_000
"""Cells of a heat map that tell their value under the pointer."""


def heat_map(
    matrix: ArrayLike,
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    *,
    value_name: str = "count",
    diverging: bool = False,
    marks: Collection[tuple[int, int]] = (),
    mark_name: str = "",
) -> Markup:
    """Matrix as colours, folded after 60 columns.

    Args:
        matrix: Shape (rows, columns); NaN leaves a cell empty, and so does 0 unless `diverging`.
        row_labels: One per row.
        column_labels: One per column.
        value_name: What the numbers are.
        diverging: Colours run from blue over neutral (0) to orange, instead of counts on a
            logarithmic scale.
        marks: Cells (row, column) that get a dot.
        mark_name: What the dot means.
    """
    values = floats(matrix)
    if values.shape != (len(row_labels), len(column_labels)):
        raise InputError(
            f"heat map: matrix {values.shape}; "
            f"expected {(len(row_labels), len(column_labels))} as there are labels"
        )
    levels, scale = levels_of(values, diverging=diverging), "d" if diverging else "s"
    tips = int((levels >= 0).sum()) <= MAX_TIPS
    panels = []
    for begin in range(0, len(column_labels), WRAP):
        part = slice(begin, begin + WRAP)
        here = {(r, c - begin) for r, c in marks if begin <= c < begin + WRAP}
        parts = [*_heat_labels(row_labels, column_labels[part], len(column_labels), begin)]
        parts += merged_cells(levels[:, part], scale, (LEFT, 16), (STEP, ROW))
        if tips:
            parts += _tips(values[:, part], levels[:, part], row_labels, column_labels[part])
        dots = [
            f"M{at(LEFT + (c + 0.5) * STEP)} {at(16 + (r + 0.5) * ROW)}h0" for r, c in sorted(here)
        ]
        parts.append(Markup('<path class="dots" d="{}"/>').format("".join(dots)))
        label = f"{value_name}, columns {begin + 1} to {begin + len(column_labels[part])}"
        panels.append(svg(WIDE, 18 + ROW * len(row_labels), label, parts))
    finite = values[np.isfinite(values)]
    most = float(np.abs(finite).max(initial=0.0))
    caption = scale_legend(scale, value_name, -most if diverging else min(1.0, most), most)
    if mark_name:
        caption += legend_key("dot", mark_name)
    return figure("panels", caption, *panels)


def _heat_labels(
    rows: Sequence[str], columns: Sequence[str], total: int, begin: int
) -> list[Markup]:
    """Row names, the empty ground, and every column name or every tenth."""
    few = total * max((len(name) for name in columns), default=0) <= WRAP
    ground = RECT.format("blank", at(LEFT), "16", at(STEP * len(columns)), at(ROW * len(rows)))
    names = [
        TEXT.format("mono end", at(LEFT - 6), at(16 + (i + 0.5) * ROW + 3.5), name)
        for i, name in enumerate(rows)
    ]
    heads = [
        TEXT.format("middle", at(LEFT + (j + 0.5) * STEP), "11", name)
        for j, name in enumerate(columns)
        if few or begin + j == 0 or (begin + j + 1) % 10 == 0
    ]
    return [ground, *names, *heads]


def _tips(
    values: NDArray[np.float64],
    levels: NDArray[np.int64],
    rows: Sequence[str],
    columns: Sequence[str],
) -> list[Markup]:
    """Invisible rectangles that tell a cell's value under the pointer."""
    shape = Markup(
        '<rect x="{}" y="{}" width="16" height="12" fill-opacity="0"><title>{}</title></rect>'
    )
    return [
        shape.format(
            at(LEFT + j * STEP),
            at(16 + i * ROW),
            f"{columns[j]} {rows[i]}: {plain_number(float(values[i, j]))}",
        )
        for i, j in np.argwhere(levels >= 0).tolist()
    ]
