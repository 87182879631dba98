"""Axes of a chart: where a value lies, and which round values are labelled."""

import math
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from tasks.report.number_text import MINUS, plain_number
from tasks.report.svg import TEXT, at


@dataclass(frozen=True, slots=True)
class Axis:
    """Linear map from values to coordinates."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    """Values are decimal logarithms; tick labels are the numbers themselves."""

    def __call__(self, value: float) -> float:
        """The coordinate of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, count: int = 5) -> list[tuple[float, str]]:
        """Coordinate and text of at most `count + 1` round values inside the range."""
        raw = (self.high - self.low) / count
        raw = max(raw, 1.0) if self.log else raw  # whole powers of ten
        size = 10.0 ** math.floor(math.log10(raw))
        step = next((m * size for m in (1, 2, 5) if m * size >= raw), 10 * size)
        values = np.arange(math.ceil(self.low / step), math.floor(self.high / step + 1e-9) + 1)
        digits = -math.floor(math.log10(step))
        places = [round(v, digits) + 0.0 for v in (values * step).tolist()]
        slack = 1e-9 * (self.high - self.low)  # rounding must not lose the end of the axis
        inside = [v for v in places if self.low - slack <= v <= self.high + slack]
        return [(self(v), self._label(v, digits)) for v in inside]

    def _label(self, value: float, digits: int) -> str:
        """Text of a tick: as many decimals as the step between ticks has."""
        if self.log or digits > 5 or abs(value) >= 1e7:  # noqa: PLR2004 -- too long for an axis
            return plain_number(10.0**value if self.log else value)
        return f"{value:,.{max(digits, 0)}f}".replace("-", MINUS)


def axis_of(values: NDArray[np.float64], start: float, end: float) -> Axis:
    """Axis that holds all `values` with a little air."""
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    air = 0.04 * (high - low) or max(abs(low) * 0.05, 0.5)
    return Axis(low - air, high + air, start, end)


def axis_frame(
    x: Axis, y: Axis, ticks: tuple[int, int] = (6, 5), *, percent: bool = False
) -> list[Markup]:
    """Axes with tick labels and faint horizontal rules."""
    parts = []
    for place, text in y.ticks(ticks[1]):
        rule = Markup('<path class="rule" d="M{} {}H{}"/>')
        parts.append(rule.format(at(x.start), at(place), at(x.end)))
        text_y = f"{text} %" if percent else text
        parts.append(TEXT.format("end", at(x.start - 6), at(place + 4), text_y))
    for place, text in x.ticks(ticks[0]):
        tick = Markup('<path class="axis" d="M{} {}v4"/>')
        parts.append(tick.format(at(place), at(y.start)))
        parts.append(TEXT.format("middle", at(place), at(y.start + 17), text))
    axis = Markup('<path class="axis" d="M{} {}H{}"/>')
    parts.append(axis.format(at(x.start), at(y.start), at(x.end)))
    return parts
