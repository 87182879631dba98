"""The ledger of items: each one ends as kept, dropped by a rule, or failed, and the sums agree.

Losses are frames of `LOSS_COLUMNS`, one row per item that a stage lost:

    item       int64  number of the item
    outcome    str    "dropped" by a rule, or "failed"
    stage      str    where
    rule       str    the rule in words, e.g. "bits >= 120"; "" where it failed
    column     str    what was judged; "" where it was no column
    value      float  the item's value; NaN where there is none
    threshold  float  the limit it missed; NaN where there is none
    margin     float  distance to the limit, never negative; NaN where there is none
    reason     str    why it failed, or was dropped without a rule; "" otherwise
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blocks.errors import InputError, SeqloomError

LOSS_COLUMNS = (
    "item",
    "outcome",
    "stage",
    "rule",
    "column",
    "value",
    "threshold",
    "margin",
    "reason",
)
_NUMBERS = ("value", "threshold", "margin")

DIRECTIONS = (">=", "<=")
"""How a limit reads: values are kept from the threshold on, or up to it."""


class Judgement(Protocol):
    """What a filter says about each row; `tasks.design.verdicts.Verdict` is one."""

    @property
    def keep(self) -> NDArray[np.bool_]: ...  # noqa: D102 -- told in the module docstring

    @property
    def rule(self) -> NDArray[np.object_]: ...  # noqa: D102

    @property
    def column(self) -> NDArray[np.object_]: ...  # noqa: D102

    @property
    def value(self) -> NDArray[np.float64]: ...  # noqa: D102

    @property
    def threshold(self) -> NDArray[np.float64]: ...  # noqa: D102


def limit_rule(column: str, direction: str, threshold: float) -> str:
    """The words of a limit on a column; `direction` is one of `DIRECTIONS`.

    >>> limit_rule("bits", ">=", 120.0)
    'bits >= 120'
    """
    return f"{column} {direction} {threshold:.12g}"


def losses_from_verdict(stage: str, items: NDArray[np.int64], verdict: Judgement) -> pd.DataFrame:
    """A loss for each item that the verdict does not keep, in the order of the items."""
    lost = ~verdict.keep
    value, threshold = verdict.value[lost], verdict.threshold[lost]
    return _frame(
        items[lost],
        outcome="dropped",
        stage=stage,
        rule=verdict.rule[lost],
        column=verdict.column[lost],
        value=value,
        threshold=threshold,
        margin=np.abs(value - threshold),
    )


def losses_from_failures(
    stage: str,
    items: NDArray[np.int64],
    reasons: Sequence[str] | NDArray[Any],
    *,
    dropped: bool = False,
) -> pd.DataFrame:
    """A loss for each of the items.

    Args:
        reasons: One for each item, or one for all of them.
        dropped: The stage left the items out on purpose, by no rule with numbers.
    """
    given = np.asarray(reasons, object)
    if given.size != 1 and given.shape != items.shape:
        raise InputError(f"stage {stage!r}: {given.size} reasons; expected {items.size} or 1")
    outcome = "dropped" if dropped else "failed"
    return _frame(items, outcome=outcome, stage=stage, reason=np.resize(given, items.shape))


def _frame(items: NDArray[np.int64], **given: object) -> pd.DataFrame:
    columns: dict[str, object] = {"item": np.asarray(items, np.int64)}
    for name in LOSS_COLUMNS[1:]:
        dtype = "float64" if name in _NUMBERS else "str"
        missing = np.nan if name in _NUMBERS else ""
        values = np.broadcast_to(np.asarray(given.get(name, missing), object), len(items))
        columns[name] = pd.Series(values, dtype=dtype)
    return pd.DataFrame(columns)


def first_losses(losses: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One row per lost item, sorted by item: its loss in the first of the frames that has it.

    Args:
        losses: One frame per stage, in the order of the stages.
    """
    filled = [frame for frame in losses if len(frame)]
    if not filled:
        return _frame(np.empty(0, np.int64))
    every = pd.concat(filled, ignore_index=True)
    first = every.drop_duplicates("item", keep="first")
    return first.sort_values("item", kind="stable", ignore_index=True)[list(LOSS_COLUMNS)]


def funnel(item_source: pd.DataFrame, losses: pd.DataFrame, stages: Sequence[str]) -> pd.DataFrame:
    """How many items came into each stage, were lost in it and left it.

    The stages are counted as if they ran one after the other, so an item that two branches lost
    counts in the first, and each `items_out` is the next `items_in`, plus what the next one made.

    Args:
        item_source: `item` and `source`, the stage that made it; items of other sources are there
            from the beginning.
        losses: Losses of all stages, in any order.
        stages: All stages in their order.

    Returns:
        `stage`, `items_in`, `dropped`, `failed`, `items_out`, one row per stage.

    Raises:
        InputError: A loss in an unknown stage, of an unknown item, or before the item was made.
    """
    place = {stage: number for number, stage in enumerate(stages)}
    unknown = sorted(set(losses["stage"]) - set(place))
    if unknown:
        raise InputError(f"losses: stage {unknown[0]!r} is not in the run; expected {list(stages)}")
    made = item_source["source"].map(place).fillna(-1).to_numpy(np.int64)
    ordered = losses.assign(place=losses["stage"].map(place).astype("int64"))
    ordered = ordered.sort_values("place", kind="stable").drop_duplicates("item")
    birth = pd.Series(made, index=item_source["item"].to_numpy()).reindex(ordered["item"])
    if birth.isna().any() or (birth.to_numpy() > ordered["place"].to_numpy()).any():
        raise InputError("losses: an item was lost before it was made; expected items of the run")
    born = np.bincount(made + 1, minlength=len(stages) + 1)
    lost = {
        outcome: np.bincount(
            ordered.loc[ordered["outcome"] == outcome, "place"], minlength=len(stages)
        )
        for outcome in ("dropped", "failed")
    }
    gone = lost["dropped"] + lost["failed"]
    items_out = np.cumsum(born)[1:] - np.cumsum(gone)
    return pd.DataFrame(
        {"stage": list(stages), "items_in": items_out + gone, **lost, "items_out": items_out}
    )


def check_sums(total: int, kept: int | NDArray[np.int64], losses: pd.DataFrame) -> None:
    """Raise unless each of `total` items is either kept or lost once.

    Args:
        kept: How many items were kept, or which.
        losses: One row per lost item, as from `first_losses`.

    Raises:
        SeqloomError: An item stands twice, or the sum is another; a fault of the program.
    """
    ended = losses["item"].to_numpy()
    if not isinstance(kept, int):
        ended = np.concatenate([kept, ended])
    numbers, times = np.unique(ended, return_counts=True)
    if (times > 1).any():
        raise SeqloomError(f"item {numbers[times > 1][0]} ended twice; expected once")
    outcomes = losses["outcome"].value_counts()
    dropped, failed = int(outcomes.get("dropped", 0)), int(outcomes.get("failed", 0))
    count = kept if isinstance(kept, int) else len(kept)
    if count + dropped + failed != total:
        raise SeqloomError(
            f"{count} kept + {dropped} dropped + {failed} failed is not {total}; expected all items"
        )


def near_misses(losses: pd.DataFrame, n: int) -> pd.DataFrame:
    """The `n` losses of each rule that missed its limit by least, nearest first.

    Returns:
        `LOSS_COLUMNS` and `relative_margin`: margin by size of the threshold, the margin itself
        where the threshold is 0.  Rules stand in the order in which they first appear.
    """
    limited = losses[losses["margin"].notna()].reset_index(drop=True)
    size = limited["threshold"].abs().to_numpy()
    relative = limited["margin"].to_numpy() / np.where(size > 0, size, 1)
    nearest = limited.assign(relative_margin=relative)
    nearest = nearest.sort_values("relative_margin", kind="stable")
    order = limited.groupby(["stage", "rule"], sort=False).ngroup()
    nearest = nearest.groupby(["stage", "rule"], sort=False).head(n)
    nearest = nearest.assign(order=order).sort_values("order", kind="stable", ignore_index=True)
    return nearest.drop(columns="order")


def what_if(  # noqa: PLR0917 -- the parts of a rule, in the order of its words
    table: pd.DataFrame,
    stage: str,
    column: str,
    direction: str,
    threshold: float,
    losses: pd.DataFrame,
    *,
    quantiles: Sequence[float] = tuple(np.linspace(0, 1, 11)),
) -> pd.DataFrame:
    """How many items would be kept with another threshold, all other limits as they were.

    Counted among items that this limit alone has lost.  An item lost here was not judged by the
    stages after it, which might have dropped it, so `gained` is an upper bound where positive.  A
    tighter threshold only takes away kept items: negative numbers are exact, unless a later stage
    looks at the complete table (top, ranks, diversity).

    Args:
        table: All items of the run, `item` and the limit's column; NaN where it is not known.
        stage: Where the limit applies.
        direction: `>=` where values below the threshold are dropped, `<=` where those above.
        threshold: The present one.
        losses: All losses of the run, from every stage.
        quantiles: Shares of the values to try as thresholds, beside the present one.

    Returns:
        `threshold`, ascending and each once; `kept_now`, `kept_then`; `gained`, their difference.
    """
    if direction not in DIRECTIONS:
        raise InputError(f"direction {direction!r}; expected one of {', '.join(DIRECTIONS)}")
    rule = limit_rule(column, direction, threshold)
    here = (losses["stage"] == stage) & (losses["rule"] == rule)
    recorded = losses[here].drop_duplicates("item").set_index("item")["value"]
    items = table["item"].to_numpy()
    values = table[column].to_numpy(np.float64, na_value=np.nan)
    values = np.where(np.isnan(values), recorded.reindex(items).to_numpy(), values)
    lost_here = np.isin(items, recorded.index)
    open_to_it = ~np.isin(items, losses.loc[~here, "item"])
    kept_now = int((open_to_it & ~lost_here).sum())
    # Items without a value that are kept are so by `keep_na`, whatever the threshold.
    without = int((open_to_it & np.isnan(values)).sum())
    judged = np.sort(values[open_to_it & ~np.isnan(values)])
    grid = np.quantile(judged, quantiles, method="nearest") if len(judged) else np.empty(0)
    grid = np.unique([*grid, threshold])
    if direction == ">=":
        passing = len(judged) - np.searchsorted(judged, grid, side="left")
    else:
        passing = np.searchsorted(judged, grid, side="right")
    kept_then = passing + without
    return pd.DataFrame(
        {
            "threshold": grid,
            "kept_now": kept_now,
            "kept_then": kept_then,
            "gained": kept_then - kept_now,
        }
    )
