"""Conditions over items, in the language of `tasks.expression`.

Names are fields of the item; `meta.score` in back quotes is the field `score` of the field `meta`;
of an item that is no object, `value` is the item. A field that is not there is missing.

A condition is about one item: figures of a column (`mean`, `rank`, ...), which the language has
for tables, would be those of the chunk that an item happens to travel in, and are refused.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated

import pandas as pd
from pydantic import AfterValidator, JsonValue

from blocks.errors import InputError
from tasks.expression import Expression, compile_expression

_OF_TABLES = frozenset({"mean", "median", "std", "quantile", "rank", "zscore"})
_OF_TABLES_ALONE = frozenset({"min", "max"})
"""Functions that are over a table if they have one argument."""


class Condition:
    """A checked condition.

    >>> Condition("score > 0.5").holds([{"score": 0.9}, {"score": 0.1}, {}])
    [True, False, False]
    """

    def __init__(self, text: str) -> None:
        self._expression: Expression = compile_expression(text)
        if not self._expression.is_condition:
            raise InputError(f"condition {text!r}: is a figure; expected a comparison")
        for name, arguments in self._expression.calls:
            if name in _OF_TABLES or (name in _OF_TABLES_ALONE and arguments == 1):
                what = f"{name} is over a column, and a condition sees one item"
                raise InputError(f"condition {text!r}: {what}; expected functions of its fields")

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that it reads."""
        return self._expression.columns

    def holds(self, items: Sequence[JsonValue]) -> list[bool | str]:
        """For each item whether it fulfils the condition, or why that cannot be said."""
        try:
            return list(self._together(items))
        except InputError:
            pass
        answers: list[bool | str] = []
        for item in items:  # one of them has text where the others have numbers
            try:
                answers += self._together([item])
            except InputError as error:
                answers.append(" ".join(str(error).split()))
        return answers

    def fulfilled(self, item: JsonValue) -> bool:
        """Whether one item fulfils it.

        Raises:
            InputError: Its fields cannot be compared so.
        """
        return next(iter(self._together([item])))

    def _together(self, items: Sequence[JsonValue]) -> list[bool]:
        columns = {name: [_field(item, name) for item in items] for name in self.fields}
        table = pd.DataFrame(columns, index=range(len(items)), dtype=object)
        return [bool(one) for one in self._expression.evaluate(table)]


def _condition_text(text: str) -> str:
    try:
        Condition(text)
    except InputError as error:
        raise ValueError(str(error)) from None
    return text


ConditionText = Annotated[str, AfterValidator(_condition_text)]
"""A parameter that holds a condition."""


def _field(item: JsonValue, name: str) -> JsonValue:
    if not isinstance(item, Mapping):
        return item if name == "value" else None
    if name in item:
        return item[name]
    found: JsonValue = item
    for part in name.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found
