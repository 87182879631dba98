"""Figures of columns and what is odd about them.

Sources:
    Tukey 1977, Exploratory Data Analysis: outliers lie more than 1.5 interquartile ranges outside
    of the quartiles. Quartiles as numpy's default (Hyndman and Fan 1996, type 7).
"""

from collections import Counter
from typing import Any

import numpy as np
import orjson

from tasks.agents.table_data import TableData, is_missing, is_number, kind_of

FENCE = 1.5
FEWEST = 8
"""Numbers for which outliers are told."""
HIGH, LOW = 0.2, 0.02
"""Shares of the rows from which an anomaly is `high`, below which it is `low`."""
Row = dict[str, Any]


def column_figures(table: TableData) -> list[Row]:
    """A row for each column; those of numbers have more figures; truth is no number."""
    rows = []
    for name in table.columns:
        present = table.present(name)
        row: Row = {
            "table": table.name,
            "column": name,
            "kind": table.kind(name),
            "values": len(present),
            "missing": len(table.rows) - len(present),
            "distinct": len({str(cell) for cell in present}),
        }
        numbers = table.numbers(name)
        figures = ("mean", "sd", "min", "q25", "median", "q75", "max")
        row |= dict.fromkeys(figures)
        row["outliers"] = None
        if len(numbers):
            q25, median, q75 = (float(one) for one in np.quantile(numbers, (0.25, 0.5, 0.75)))
            row |= {
                "mean": float(numbers.mean()),
                "sd": float(numbers.std(ddof=1)) if len(numbers) > 1 else None,
                "min": float(numbers.min()),
                "q25": q25,
                "median": median,
                "q75": q75,
                "max": float(numbers.max()),
                "outliers": int(_outside(numbers, q25, q75).sum()),
            }
        rows.append(row)
    return rows


def _outside(numbers: Any, q25: float, q75: float) -> Any:  # noqa: ANN401 -- arrays
    reach = FENCE * (q75 - q25)
    return (numbers < q25 - reach) | (numbers > q75 + reach)


def anomalies(table: TableData) -> list[Row]:
    """What is odd about a table: missing cells, mixed types, outliers, one value only, doubles."""
    rows: list[Row] = []

    def odd(column: str, what: str, at: list[int], detail: str = "") -> None:
        if not at:
            return
        share = len(at) / len(table.rows)
        severity = "high" if share >= HIGH else "low" if share < LOW else "medium"
        row = {"table": table.name, "column": column, "anomaly": what, "rows": len(at)}
        first = ", ".join(str(number) for number in at[:5])
        rows.append(row | {"share": share, "severity": severity, "first": first, "detail": detail})

    for name in table.columns:
        cells = table.column(name)
        there = {number for number, cell in enumerate(cells, 1) if not is_missing(cell)}
        odd(name, "missing", [n for n in range(1, len(cells) + 1) if n not in there])
        kinds = Counter(kind_of(cells[number - 1]) for number in there)
        if len(kinds) > 1:
            main = max(kinds, key=lambda kind: (kinds[kind], kind))
            other = sorted(n for n in there if kind_of(cells[n - 1]) != main)
            held = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
            odd(name, "mixed types", other, held)
        numbers = [(n, cells[n - 1]) for n in sorted(there) if is_number(cells[n - 1])]
        if len(numbers) >= FEWEST:
            values = np.array([value for _, value in numbers], np.float64)
            q25, q75 = (float(one) for one in np.quantile(values, (0.25, 0.75)))
            outside = _outside(values, q25, q75) if q75 > q25 else np.zeros(len(values), bool)
            odd(name, "outliers", [n for (n, _), out in zip(numbers, outside, strict=True) if out])
    seen: set[bytes] = set()
    doubles = []
    for number, row in enumerate(table.rows, start=1):
        key = orjson.dumps(dict(row), option=orjson.OPT_SORT_KEYS, default=str)
        if key in seen:
            doubles.append(number)
        seen.add(key)
    odd("", "double rows", doubles)
    return rows
