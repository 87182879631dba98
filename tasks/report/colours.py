"""Numbers as one of nine colours of the style sheet."""

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from tasks.report.number_text import plain_number
from tasks.report.svg import at, joined

LEVELS = 9


def levels_of(matrix: NDArray[np.float64], *, diverging: bool = False) -> NDArray[np.int64]:
    """Colour class 0-8 of each value, -1 where there is none; counts on a logarithmic scale."""
    known = np.isfinite(matrix)
    filled = np.where(known, matrix, 0.0)
    most = float(np.abs(filled).max(initial=0.0)) or 1.0
    if diverging:
        level = np.rint((filled / most + 1) / 2 * (LEVELS - 1))
    else:
        known &= filled > 0
        level = np.log1p(np.maximum(filled, 0)) / np.log1p(most) * (LEVELS - 1)
    return np.where(known, level, -1).astype(np.int64)


def scale_legend(scale: str, text: str, low: float, high: float) -> Markup:
    """The nine colours between the numbers they stand for."""
    rects = [
        Markup('<rect class="{}{}" x="{}" width="10.3" height="8"/>').format(scale, i, 10 * i)
        for i in range(LEVELS)
    ]
    return Markup(
        '<span>{}: {}<svg class="scale" viewBox="0 0 90 8" preserveAspectRatio="none" '
        'aria-hidden="true">{}</svg>{}</span>'
    ).format(text, plain_number(low), joined(rects), plain_number(high))


def merged_cells(
    levels: NDArray[np.int64], scale: str, corner: tuple[float, float], size: tuple[float, float]
) -> list[Markup]:
    """One path per colour; neighbours in a row are one rectangle."""
    (left, top), (width, height) = corner, size
    paths: dict[int, list[str]] = {}
    for i, row in enumerate(levels.tolist()):
        j = 0
        while j < len(row):
            end = next((k for k in range(j, len(row)) if row[k] != row[j]), len(row))
            if row[j] >= 0:
                box = f"h{at((end - j) * width)}v{at(height)}h{at((j - end) * width)}z"
                start = f"M{at(left + j * width)} {at(top + i * height)}"
                paths.setdefault(row[j], []).append(start + box)
            j = end
    shape = Markup('<path class="{}{}" d="{}"/>')
    return [shape.format(scale, level, "".join(paths[level])) for level in sorted(paths)]
