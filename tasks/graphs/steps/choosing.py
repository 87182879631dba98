"""Keep the items that fulfil a condition."""

from collections.abc import Mapping, Sequence

from pydantic import Field

from tasks.graphs.conditions import Condition, ConditionText
from tasks.graphs.step import Failed, Item, Outcome, Skipped, StepContext, Value, step
from tasks.parameters import Params


class FilterParams(Params):
    """Which items go on."""

    keep: ConditionText = Field(
        title="Keep", description="condition on the item, e.g. score > 0.5", min_length=1
    )


class _Filter:
    def __init__(self, params: FilterParams) -> None:
        self._condition = Condition(params.keep)

    def run(self, items: Sequence[Item], context: StepContext) -> Sequence[Outcome]:
        """Value, skipped, or failed where the condition cannot be applied."""
        return [
            Failed(answer) if isinstance(answer, str) else Value(item) if answer else Skipped()
            for item, answer in zip(items, self._condition.holds(items), strict=True)
        ]


def _reads(params: FilterParams) -> Mapping[str, object]:
    return dict.fromkeys((name.split(".")[0] for name in Condition(params.keep).fields), object)


FILTER = step(
    "filter", FilterParams, reads=_reads, modules=("tasks.graphs.conditions", "tasks.expression"),
    summary="Keep the items that fulfil a condition; the others are skipped.",
)(_Filter)  # fmt: skip
