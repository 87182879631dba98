"""An order of items by what is wanted of their columns.

Every objective is turned so that larger is better: a column to maximise as it is, one to minimise
with its sign turned, one with a target as minus the distance from it.  Items that lack a number in
any objective stand last, with the reason.
"""

from bisect import bisect_left, bisect_right
from typing import Annotated, Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, model_validator

from blocks.errors import InputProblems, Problem
from tasks.parameters import Params

Values = NDArray[np.float64]
Fronts = NDArray[np.int64]

UNSORTED = 0
"""Front of items that were not sorted into fronts; the first front is 1."""
_STAIRS = 2
"""Up to so many objectives besides the first, a front needs no more than a sorted staircase."""


class Objective(Params):
    """What is wanted of one column."""

    column: str = Field(title="Column", description="with numbers", min_length=1)
    goal: Literal["maximise", "minimise", "target"] = Field(
        "maximise", title="Goal", description="which values are good"
    )
    target: float | None = Field(
        None,
        title="Target",
        description="the best value [unit of the column]; with the goal target only",
        allow_inf_nan=False,
    )
    weight: float = Field(
        1.0, title="Weight", description="share in the score", gt=0, allow_inf_nan=False
    )

    @model_validator(mode="after")
    def _target_where_it_counts(self) -> Self:
        if self.goal == "target" and self.target is None:
            raise ValueError("target: none, with the goal target; expected the best value")
        if self.goal != "target" and self.target is not None:
            raise ValueError(
                f"target: {self.target:g}, with the goal {self.goal}; expected none, or goal target"
            )
        return self


class RankParams(Params):
    """How items are ordered."""

    objectives: Annotated[tuple[Objective, ...], Field(min_length=1)] = Field(
        title="Objectives", description="columns that count"
    )
    method: Literal["weighted", "pareto"] = Field(
        "weighted",
        title="Method",
        description="weighted: by one score; pareto: by fronts, then crowding, then score",
    )
    scaling: Literal["zscore", "minmax"] = Field(
        "zscore",
        title="Scaling",
        description="before weighting; zscore: mean 0, variance 1; minmax: 0 to 1; constants: 0",
    )
    top: int | None = Field(
        None, title="Top", description="items to keep, the best ones; empty: all", ge=1
    )

    @model_validator(mode="after")
    def _each_column_once(self) -> Self:
        columns = [objective.column for objective in self.objectives]
        twice = sorted({column for column in columns if columns.count(column) > 1})
        if twice:
            raise ValueError(f"objectives: column {twice[0]} stands twice; expected once")
        return self


def columns_needed(params: RankParams) -> set[str]:
    """Columns without which `rank` cannot work, besides `item` and `id`."""
    return {objective.column for objective in params.objectives}


def rank(table: pd.DataFrame, params: RankParams) -> pd.DataFrame:
    """All rows in the order of their rank, whatever their order in `table`.

    Args:
        table: Columns `item`, those of the objectives, and `id` (without it, `item` breaks ties).
        params: Objectives and method; `top` is left to the caller.

    Returns:
        One row per row of `table`:

            item          as given
            rank          int64, 1, 2, …
            score         float64, weighted mean of the scaled objectives, larger is better;
                          NaN where a number is missing
            pareto_front  int64, 1, 2, …; 0 without the method pareto or where a number is missing
            crowding      float64, crowding distance within the front; NaN as above
            reason        "" or which columns have no finite number

    Raises:
        InputProblems: Columns are missing or do not hold numbers.

    Source:
        Deb et al. 2002 (NSGA-II), doi:10.1109/4235.996017.
    """
    values = _oriented(table, params)
    ties = [table["item"]] if "id" not in table else [table["id"], table["item"]]
    # from here on rows are in the order that breaks ties
    order = np.lexsort([pd.factorize(keys, sort=True)[0] for keys in reversed(ties)])
    values = values[order]
    finite = np.isfinite(values)
    whole = finite.all(axis=1)
    count = len(values)
    score, crowding = np.full(count, np.nan), np.full(count, np.nan)
    front = np.full(count, UNSORTED, dtype=np.int64)
    score[whole] = _weighted(values[whole], params)
    if params.method == "pareto":
        front[whole] = pareto_fronts(values[whole])
        crowding[whole] = crowding_distance(values[whole], front[whole])
    place = np.lexsort(
        (np.arange(count), -np.nan_to_num(score), -np.nan_to_num(crowding), front, ~whole)
    )
    return pd.DataFrame(
        {
            "item": table["item"].to_numpy()[order[place]],
            "rank": np.arange(1, count + 1, dtype=np.int64),
            "score": score[place],
            "pareto_front": front[place],
            "crowding": crowding[place],
            "reason": _reasons(finite[place], params),
        }
    )


def _oriented(table: pd.DataFrame, params: RankParams) -> Values:
    """The objectives, larger is better, float64 (n, m); NaN where there is no number."""
    problems = []
    columns: list[Values] = []
    for objective in params.objectives:
        name = objective.column
        if name not in table:
            problems.append(Problem("rank", f"no column {name}", "a column of numbers"))
            continue
        try:
            column = pd.to_numeric(table[name]).to_numpy(dtype=np.float64, na_value=np.nan)
        except (ValueError, TypeError):
            problems.append(Problem("rank", f"column {name} holds other than numbers", "numbers"))
            continue
        columns.append(_turned(column, objective))
    if problems:
        raise InputProblems(problems)
    return np.stack(columns, axis=1)


def _turned(column: Values, objective: Objective) -> Values:
    match objective.goal:
        case "maximise":
            return column
        case "minimise":
            return -column
        case "target":
            return -np.abs(column - (objective.target or 0.0))


def _weighted(values: Values, params: RankParams) -> Values:
    """Weighted mean of the scaled objectives; a constant objective counts 0."""
    if len(values) == 0:
        return np.empty(0)
    low, high = values.min(axis=0), values.max(axis=0)
    varies = high > low  # a spread computed from equal numbers need not be exactly 0
    if params.scaling == "zscore":
        origin, spread = values.mean(axis=0), values.std(axis=0)
    else:
        origin, spread = low, high - low
    scaled = np.where(varies, (values - origin) / np.where(varies & (spread > 0), spread, 1), 0)
    weight = np.array([objective.weight for objective in params.objectives])
    # not a matrix product: its rounding depends on the row, and would break ties of equal rows
    return np.asarray((scaled * (weight / weight.sum())).sum(axis=1), dtype=np.float64)


def _reasons(finite: NDArray[np.bool_], params: RankParams) -> NDArray[np.object_]:
    names = [objective.column for objective in params.objectives]
    reasons = np.full(len(finite), "", dtype=object)
    for row in np.flatnonzero(~finite.all(axis=1)):
        lacking = [name for name, there in zip(names, finite[row], strict=True) if not there]
        reasons[row] = f"no number in {', '.join(lacking)}"
    return reasons


def pareto_fronts(values: Values) -> Fronts:
    """Front of each row, 1 the first: rows that no other row outside earlier fronts dominates.

    A row dominates another if it is nowhere smaller and somewhere larger; equal rows share a front.
    No table of pairs is made: rows are taken from the largest to the smallest (lexicographically),
    so that only earlier ones can dominate, and a row's front is found by bisection (Zhang et al.
    2015, doi:10.1109/TEVC.2014.2308305). Up to three objectives, a front is a sorted staircase.

    Args:
        values: float64 (n, m), finite, larger is better.

    Returns:
        int64 (n,), 1, 2, …
    """
    if len(values) == 0:
        return np.empty(0, dtype=np.int64)
    distinct, inverse = np.unique(values, axis=0, return_inverse=True)
    falling = distinct[::-1, 1:]  # np.unique sorts; the first objective is settled by the order
    kind = _Staircase if falling.shape[1] <= _STAIRS else _Members
    found: list[_Staircase | _Members] = []
    front = np.empty(len(falling), dtype=np.int64)
    for row, point in enumerate(falling):
        low, high = 0, len(found)
        while low < high:  # dominated in one front means dominated in all earlier ones
            middle = (low + high) // 2
            low, high = (middle + 1, high) if found[middle].dominates(point) else (low, middle)
        if low == len(found):
            found.append(kind(falling.shape[1]))
        found[low].add(point)
        front[row] = low + 1
    return front[::-1][inverse.reshape(-1)]


class _Staircase:
    """The best points of a front in at most two objectives: one rises while the other falls."""

    __slots__ = ("first", "second")

    def __init__(self, _objectives: int) -> None:
        self.first: list[float] = []
        self.second: list[float] = []

    def dominates(self, point: Values) -> bool:
        """Whether a member is at least as large everywhere."""
        x, y = _two(point)
        place = bisect_left(self.first, x)
        return place < len(self.first) and self.second[place] >= y

    def add(self, point: Values) -> None:
        """Take a point that none dominates, and drop those that it makes superfluous."""
        x, y = _two(point)
        stop = bisect_right(self.first, x)
        start = stop
        while start > 0 and self.second[start - 1] <= y:
            start -= 1
        self.first[start:stop] = [x]
        self.second[start:stop] = [y]


def _two(point: Values) -> tuple[float, float]:
    """The point, filled up with zeros."""
    padded = [float(value) for value in point] + [0.0, 0.0]
    return padded[0], padded[1]


class _Members:
    """All points of a front, in an array that doubles when it is full."""

    __slots__ = ("points", "used")

    def __init__(self, objectives: int) -> None:
        self.points = np.empty((16, objectives))
        self.used = 0

    def dominates(self, point: Values) -> bool:
        """Whether a member is at least as large everywhere."""
        return bool((self.points[: self.used] >= point).all(axis=1).any())

    def add(self, point: Values) -> None:
        """Take a point that none dominates."""
        if self.used == len(self.points):
            self.points = np.concatenate([self.points, np.empty_like(self.points)])
        self.points[self.used] = point
        self.used += 1


def crowding_distance(values: Values, front: Fronts) -> Values:
    """How far apart each row's neighbours in its front are, summed over the objectives.

    Distances are in units of the objective's range within the front; the first and the last of an
    objective get infinity, ties stand in the order of the rows.

    Returns:
        float64 (n,), 0 to m, or infinity.
    """
    distance = np.zeros(len(values))
    for column in values.T:
        order = np.lexsort((column, front))
        ordered, group = column[order], front[order]
        first = np.flatnonzero(np.r_[True, group[1:] != group[:-1]][: len(group)])
        last = np.r_[first[1:], len(group)][: len(first)] - 1
        span = np.repeat(ordered[last] - ordered[first], last - first + 1)
        gap: NDArray[Any] = np.zeros(len(group))
        gap[1:-1] = ordered[2:] - ordered[:-2]
        gap = np.divide(gap, span, out=np.zeros_like(gap), where=span > 0)
        gap[first] = gap[last] = np.inf
        distance[order] += gap
    return distance
