"""What a filter says about each row, and how that follows from limits and from other verdicts."""

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.attrition import limit_rule

Failure: TypeAlias = tuple[NDArray[np.bool_], str, float | NDArray[np.float64]]
"""Where rows fail, the rule in words, and its limit."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a filter says about each of n rows."""

    keep: NDArray[np.bool_]
    rule: NDArray[np.object_]
    """The rule that was not met, in words; "" where kept."""
    column: NDArray[np.object_]
    """Column that was judged; "" where there is none."""
    value: NDArray[np.float64]
    """The row's value; NaN where there is none."""
    threshold: NDArray[np.float64]
    """The limit that was missed; NaN where there is none."""
    columns: dict[str, NDArray[Any]] = field(default_factory=dict)
    """New columns, for all rows."""


def failed(
    failures: list[Failure],
    value: NDArray[np.float64],
    column: str,
    columns: dict[str, NDArray[Any]] | None = None,
) -> Verdict:
    """The verdict of rows that fail where a mask says so, each for the first that does."""
    size = len(value)
    rule, judged = np.full(size, "", object), np.full(size, column, object)
    threshold = np.full(size, np.nan)
    lost = np.zeros(size, np.bool_)
    for mask, words, limit in failures:
        fresh = mask & ~lost
        rule[fresh] = words
        threshold[fresh] = np.broadcast_to(limit, size)[fresh]
        lost |= mask
    return Verdict(~lost, rule, judged, value, threshold, columns or {})


def within(
    values: NDArray[np.float64],
    column: str,
    low: float | None,
    high: float | None,
    *,
    keep_na: bool = False,
    missing: str = "",
    columns: dict[str, NDArray[Any]] | None = None,
) -> Verdict:
    """Values from `low` to `high` are kept; `missing` is the rule that a missing one breaks."""
    failures: list[Failure] = []
    if not keep_na:
        failures.append((np.isnan(values), missing or f"{column} missing", np.nan))
    if low is not None:
        failures.append((values < low, limit_rule(column, ">=", low), low))
    if high is not None:
        failures.append((values > high, limit_rule(column, "<=", high), high))
    return failed(failures, values, column, columns)


def rank_verdict(ranks: "pd.Series[Any]", limit: int) -> Verdict:
    """Keep ranks up to `limit`; 1 is the best."""
    return within(ranks.to_numpy(np.float64, na_value=np.nan), "rank", None, limit)


def all_of(parts: list[Verdict]) -> Verdict:
    """Each row's first failure; where there is none, the figures of the first filter."""
    first = np.argmin([part.keep for part in parts], axis=0)
    return _chosen(parts, first, np.logical_and.reduce([part.keep for part in parts]))


def any_of(parts: list[Verdict]) -> Verdict:
    """Kept where one part keeps; a loss names all rules, and the figures of the first part."""
    keep = np.logical_or.reduce([part.keep for part in parts])
    verdict = _chosen(parts, np.zeros(len(keep), np.int64), keep)
    for row in np.flatnonzero(~keep):
        verdict.rule[row] = " or ".join(part.rule[row] for part in parts)
    return verdict


def _chosen(parts: list[Verdict], which: NDArray[np.int64], keep: NDArray[np.bool_]) -> Verdict:
    """Each row's figures from the part that `which` says."""
    rows = np.arange(len(keep))
    rule = np.stack([part.rule for part in parts])[which, rows]
    return Verdict(
        keep,
        np.where(keep, "", rule),
        np.stack([part.column for part in parts])[which, rows],
        np.stack([part.value for part in parts])[which, rows],
        np.where(keep, np.nan, np.stack([part.threshold for part in parts])[which, rows]),
        {name: values for part in parts for name, values in part.columns.items()},
    )
