"""Counts and a time by day or week: bars of what came well and what did not, a line above."""

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike

from tasks.report.axis import Axis, axis_frame
from tasks.report.number_text import duration, floats
from tasks.report.svg import RECT, TEXT, at, figure, joined, legend_key, svg, usable

LEFT, RIGHT, TOP, FLOOR = 40.0, 304.0, 8.0, 140.0
GAP = 0.25
"""Share of a period's width between two bars."""


def outcome_bars(
    name: str, periods: Sequence[date], good: ArrayLike, bad: ArrayLike, *, kinds: tuple[str, str]
) -> Markup:
    """Stacked bars of counts.

    Args:
        name: What is counted.
        periods: Equally long ones, in order, those without any count too.
        kinds: What `good` and `bad` are called.
    """
    well, ill = floats(good), floats(bad)
    caption = joined(
        [
            Markup("<b>{}</b>").format(name),
            legend_key("g1", f"{kinds[0]}: {int(well.sum()):,}"),
            legend_key("g2", f"{kinds[1]}: {int(ill.sum()):,}"),
        ]
    )
    y = Axis(0, max(float((well + ill).max(initial=0)) * 1.05, 1.0), FLOOR, TOP)
    parts = [*_frame(y, periods)]
    width = (RIGHT - LEFT) / max(len(periods), 1)
    for number, period in enumerate(periods):
        x, wide = LEFT + width * (number + GAP / 2), width * (1 - GAP)
        tip = Markup("<g><title>{}: {:,} {}, {:,} {}</title>{}</g>")
        bars = [
            RECT.format(kind, at(x), at(y(low + size)), at(wide), at(y(low) - y(low + size)))
            for kind, low, size in (
                ("keep", 0.0, well[number]),
                ("fail", well[number], ill[number]),
            )
            if size
        ]
        told = (int(well[number]), kinds[0], int(ill[number]), kinds[1])
        parts.append(tip.format(period.isoformat(), *told, joined(bars)))
    return figure("short", caption, svg(320, 164, name, parts))


def time_line(name: str, periods: Sequence[date], lines: Mapping[str, ArrayLike]) -> Markup:
    """Times [s] by period as lines with dots; NaN where there is none."""
    values = {line: floats(array) for line, array in lines.items()}
    every = np.concatenate(list(values.values())) if values else np.empty(0)
    every = every[usable(every)]
    caption = [Markup("<b>{} [s]</b>").format(name)]
    for number, (line, array) in enumerate(values.items(), 1):
        inside = array[usable(array)]
        last = f", at last {duration(float(inside[-1]))}" if len(inside) else ""
        caption.append(legend_key(f"g{number}", f"{line}{last}"))
    if not len(every):
        return figure("short", joined(caption), Markup('<p class="note">No values.</p>'))
    y = Axis(0, float(every.max()) * 1.05 or 1.0, FLOOR, TOP)
    width = (RIGHT - LEFT) / max(len(periods), 1)
    parts = [*_frame(y, periods)]
    for number, (line, array) in enumerate(values.items(), 1):
        there = [index for index, can in enumerate(usable(array)) if can]
        places = [f"{at(LEFT + width * (i + 0.5))} {at(y(float(array[i])))}" for i in there]
        parts.append(Markup('<path class="line g{}" d="M{}"/>').format(number, "L".join(places)))
        for index, place in zip(there, places, strict=True):
            dot = Markup('<path class="line g{} dot" d="M{}h0"><title>{} {}: {}</title></path>')
            told = duration(float(array[index]))
            parts.append(dot.format(number, place, periods[index].isoformat(), line, told))
    return figure("short", joined(caption), svg(320, 164, name, parts))


def _frame(y: Axis, periods: Sequence[date]) -> list[Markup]:
    """Both axes; the first and the last period are named."""
    empty = Axis(0, 1, LEFT, RIGHT)
    parts = axis_frame(empty, y, ticks=(1, 4))
    parts = [part for part in parts if "middle" not in part]
    if periods:
        parts.append(TEXT.format("", at(LEFT), at(FLOOR + 17), periods[0].isoformat()))
        if len(periods) > 1:
            parts.append(TEXT.format("end", at(RIGHT), at(FLOOR + 17), periods[-1].isoformat()))
    return parts
