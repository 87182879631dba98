"""Pieces of SVG that several charts draw with."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

RECT = Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>')
TEXT = Markup('<text class="{}" x="{}" y="{}">{}</text>')
WRAP = 60
"""Positions in one row of a logo or heat map."""
LEFT, STEP, ROW = 40.0, 16.0, 12.0
WIDE = LEFT + WRAP * STEP + 4
_HUGE = 1e150  # ranges of such numbers overflow; they are left out like infinities


def joined(parts: Sequence[Markup]) -> Markup:
    """The parts as one."""
    return Markup().join(parts)


def at(value: float) -> str:
    """A coordinate, short."""
    return f"{round(value, 1):g}"


def svg(width: float, height: float, label: str, parts: Sequence[Markup]) -> Markup:
    """A drawing; `label` is read to those who do not see it."""
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        at(width), at(height), label, joined(parts)
    )


def figure(kind: str, caption: Markup, *drawings: Markup) -> Markup:
    """Drawings above their caption; `kind` is a class of the style sheet."""
    return Markup(
        '<figure class="{}"><div class="scroll" tabindex="0" role="region" aria-label="chart">'
        "{}</div><figcaption>{}</figcaption></figure>"
    ).format(kind, joined(drawings), caption)


def legend_key(kind: str, text: str) -> Markup:
    """A sign in a colour of the style sheet, and what it means."""
    return Markup('<span><span class="key {}"></span>{}</span>').format(kind, text)


def usable(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which values can be drawn: those that are finite and not huge."""
    return np.isfinite(values) & (np.abs(values) < _HUGE)
