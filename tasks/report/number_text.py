"""Numbers and cells as text that people read."""

import math
import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

ABSENT = "–"  # noqa: RUF001 -- the dash that tables print for a missing value
MINUS = "\N{MINUS SIGN}"


def plain_number(value: float) -> str:
    """`value` as people read it: whole numbers with separators, others with four digits."""
    if not math.isfinite(value):
        return ABSENT if math.isnan(value) else ("∞" if value > 0 else f"{MINUS}∞")
    if value == round(value) and abs(value) < 1e15:  # noqa: PLR2004 -- exact in a float
        text = f"{value:,.0f}"
    elif abs(value) >= 1_000 and abs(value) < 1e15:  # noqa: PLR2004 -- digits are grouped
        text = f"{value:,.1f}"
    else:
        text = f"{value:.4g}"
    text = re.sub(r"e([+-])0*", r"e\1", text).replace("e+", "e")
    return ("0" if text == "-0" else text).replace("-", MINUS)


def duration(seconds: float) -> str:
    """A time span in two units, such as `2 h 5 min`."""
    if not math.isfinite(seconds):
        return ABSENT
    if seconds < 60:  # noqa: PLR2004 -- one minute
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"  # noqa: PLR2004
    whole = round(seconds)
    for size, unit, part_size, part in ((86400, "d", 3600, "h"), (3600, "h", 60, "min")):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // part_size} {part}"
    return f"{whole // 60} min {whole % 60} s"


def counted(count: int, one: str) -> str:
    """A count and its noun.

    >>> counted(1, "design"), counted(1200, "design")
    ('1 design', '1,200 designs')
    """
    return f"{count:,} {one}" if count == 1 else f"{count:,} {one}s"


def column_texts(values: NDArray[np.float64]) -> list[str]:
    """The numbers of one column as text, with the same decimals where those suit all."""
    decimals = _decimals(values)
    return [
        plain_number(v)
        if decimals is None or not math.isfinite(v)
        else f"{round(v, decimals) + 0.0:,.{decimals}f}".replace("-", MINUS)
        for v in values.tolist()
    ]


def _decimals(values: NDArray[np.float64]) -> int | None:
    """Decimals that suit a whole column; None where its numbers differ too much in size."""
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    if not len(sizes) or np.all(sizes == np.round(sizes)):
        return 0 if not len(sizes) or sizes.max() < 1e15 else None  # noqa: PLR2004
    decimals = max(0, min(6, 3 - math.floor(math.log10(sizes.max()))))
    lost = np.mean(sizes < 0.5 * 10.0**-decimals)
    return None if lost > 0.1 or sizes.max() >= 1e15 else decimals  # noqa: PLR2004


def cell_text(value: object) -> str:
    """One cell that is not a number."""
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return ABSENT
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | float | np.number):
        return plain_number(float(value))
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return ", ".join(str(item) for item in value)
    return str(value)


def is_numeric(column: "pd.Series[Any]") -> bool:
    """Whether a column holds numbers; truth values are none."""
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def floats(values: ArrayLike) -> NDArray[np.float64]:
    """`values` as float64; missing ones are NaN."""
    if isinstance(values, pd.Series):
        return values.to_numpy(np.float64, na_value=np.nan)
    return np.asarray(values, np.float64)
