"""Steps that make one item of many: groups of a size, and figures over all."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import Field

from tasks.graphs.step import Item, Outcome, Several, Skipped, StepContext, step
from tasks.parameters import Params


class BatchParams(Params):
    """How many items make one."""

    size: int = Field(32, title="Size", description="items of a group", ge=1, le=100_000)
    field: str = Field("items", title="Field", description="that gets the list", min_length=1)


class _Batch:
    def __init__(self, params: BatchParams) -> None:
        self._params = params
        self._held: list[Item] = []

    def run(self, items: Sequence[Item], context: StepContext) -> Sequence[Outcome]:
        """The group stands in place of its last item."""
        outcomes: list[Outcome] = []
        for item in items:
            self._held.append(item)
            full = len(self._held) == self._params.size
            outcomes.append(Several((self._group(),)) if full else Skipped("batched"))
        return outcomes

    def finish(self, context: StepContext) -> Sequence[Item]:
        """The last group, which may be smaller."""
        return [self._group()] if self._held else []

    def _group(self) -> Item:
        held, self._held = self._held, []
        return {self._params.field: held}


BATCH = step(
    "batch", BatchParams, spreads=True, closes=True, in_order=True,
    summary="Make one item of every `size` items, in order; the last one may hold fewer.",
)(_Batch)  # fmt: skip


class AggregateParams(Params):
    """What is counted, over which groups."""

    by: str = Field("", title="By", description="field whose values are the groups; none: all")
    mean: tuple[str, ...] = Field((), title="Means", description="fields with numbers")


class _Group:
    def __init__(self) -> None:
        self.items = 0
        self.sums: dict[str, float] = {}
        self.counts: dict[str, int] = {}

    def add(self, item: Mapping[str, Any], fields: Sequence[str]) -> None:
        self.items += 1
        for name in fields:
            value = item.get(name)
            if isinstance(value, int | float) and not isinstance(value, bool):
                self.sums[name] = self.sums.get(name, 0.0) + value
                self.counts[name] = self.counts.get(name, 0) + 1


class _Aggregate:
    def __init__(self, params: AggregateParams) -> None:
        self._params = params
        self._groups: dict[str, _Group] = {}

    def run(self, items: Sequence[Item], context: StepContext) -> Sequence[Outcome]:
        """Nothing yet: all that is kept are sums."""
        for item in items:
            value = item.get(self._params.by) if self._params.by else "all"
            key = "(none)" if value is None else str(value)
            self._groups.setdefault(key, _Group()).add(item, self._params.mean)
        return [Skipped("aggregated")] * len(items)

    def finish(self, context: StepContext) -> Sequence[Item]:
        """One item for each group, in the order of their names."""
        return [self._row(name, self._groups[name]) for name in sorted(self._groups)]

    def _row(self, name: str, group: _Group) -> Item:
        total = sum(one.items for one in self._groups.values())
        row: Item = {self._params.by or "group": name, "items": group.items}
        row["share"] = round(group.items / total, 6)
        for field in self._params.mean:
            count = group.counts.get(field, 0)
            mean = group.sums[field] / count if count else None
            row[f"mean_{field}"] = mean if mean is None or np.isfinite(mean) else None
        return row


def _reads(params: AggregateParams) -> Mapping[str, object]:
    return dict.fromkeys((*([params.by] if params.by else []), *params.mean), object)


AGGREGATE = step(
    "aggregate", AggregateParams, reads=_reads, closes=True, in_order=True,
    summary="Count items by a field, with means of others: one item for each group, at the end.",
)(_Aggregate)  # fmt: skip
