"""Tables of a page."""

import math
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from markupsafe import Markup

from tasks.report.number_text import cell_text, column_texts, floats, is_numeric
from tasks.report.rendering import rendered
from tasks.report.svg import at

MAX_ROWS = 200
"""Rows of a table that are printed."""
_LONGEST = 90


class _Cell(NamedTuple):
    text: str
    numeric: bool = False
    value: str = ""
    full: str = ""
    bar: str | None = None
    link: str = ""


def data_table(
    frame: pd.DataFrame,
    *,
    label: str = "table",
    max_rows: int = MAX_ROWS,
    where: str = "",
    bars: Collection[str] = (),
    details: Sequence[Markup] | None = None,
    links: Sequence[str] | None = None,
) -> Markup:
    """A table that sorts by a click on its heads.

    Args:
        frame: Rows in the order they are shown.
        label: What the table is, for screen readers.
        max_rows: Most rows printed; a note counts the rest.
        where: File that holds all rows, named in the note.
        bars: Numeric columns that get a bar from 0 to their largest value.
        details: One piece per row, printed below it over the whole width.
        links: Of each row, where its first cell leads to; "" for nowhere.
    """
    shown = frame.head(max_rows)
    columns = [shown.iloc[:, i] for i in range(shown.shape[1])]
    rows = list(zip(*(_cells(c, c.name in bars) for c in columns), strict=True))
    if links is not None:
        pairs = zip(rows, links, strict=False)
        rows = [(row[0]._replace(link=link), *row[1:]) for row, link in pairs]
    html = rendered(
        "table.html.j2",
        label=label,
        columns=[{"name": str(c.name), "numeric": is_numeric(c)} for c in columns],
        rows=rows,
        details=details[: len(shown)] if details else None,
        sortable=len(shown) > 1,
        more=_left_out(len(frame), len(shown), where),
    )
    return Markup(html)  # noqa: S704 -- the template escapes


def _cells(column: "pd.Series[Any]", bar: bool) -> list[_Cell]:
    if not is_numeric(column):
        texts = [cell_text(value) for value in column.tolist()]
        return [
            _Cell(text) if len(text) <= _LONGEST else _Cell(f"{text[: _LONGEST - 1]}…", full=text)
            for text in texts
        ]
    values = floats(column)
    most = max(values[np.isfinite(values)].max(initial=0.0), 1e-300)
    return [
        _Cell(
            text,
            numeric=True,
            value="" if math.isnan(value) else f"{value:.10g}",
            bar=at(100 * max(value, 0.0) / most) if bar and math.isfinite(value) else None,
        )
        for text, value in zip(column_texts(values), values.tolist(), strict=True)
    ]


def _left_out(total: int, shown: int, where: str) -> str:
    if total <= shown:
        return ""
    rest = f"The first {shown:,} of {total:,} rows; {total - shown:,} more"
    return f"{rest} in {where}." if where else f"{rest}."
