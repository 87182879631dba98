"""What steps that work on a text have in common: which field holds it, and what if none does."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pydantic import Field

from blocks.errors import InputError
from tasks.graphs.step import Failed, Fields, Item, Outcome
from tasks.parameters import Params

T = TypeVar("T")
CONNECTION = Field(
    "",
    title="Connection",
    description="block of a language model that is asked, or `environment`; none: offline",
)


class TextParams(Params):
    """Where the text stands."""

    field: str = Field(
        "text", title="Field", description="that holds the text", min_length=1, max_length=100
    )


def reads_text(params: Any) -> Fields:  # noqa: ANN401 -- parameters with a field
    """The text."""
    return {params.field: str}


def text_of(item: Item, field: str) -> str:
    """The text of an item.

    Raises:
        InputError: The field is missing, or holds something else.
    """
    value = item.get(field)
    if isinstance(value, str):
        return value
    found = f"holds a {type(value).__name__}" if field in item else "is missing"
    raise InputError(f"field {field!r} {found}; expected text")


def over_texts(
    items: Sequence[Item],
    field: str,
    work: Callable[[list[str]], Sequence[T | Failed]],
    outcome: Callable[[Item, T], Outcome],
) -> list[Outcome]:
    """Outcomes of a work on all texts at once; an item without a text fails alone.

    Args:
        work: Gives one result for each text.
        outcome: What becomes of an item with its result.
    """
    texts: list[str | Failed] = []
    for item in items:
        try:
            texts.append(text_of(item, field))
        except InputError as error:
            texts.append(Failed(str(error)))
    there = [text for text in texts if isinstance(text, str)]
    results = iter(work(there) if there else ())
    found: list[Outcome] = []
    for item, text in zip(items, texts, strict=True):
        result = text if isinstance(text, Failed) else next(results)
        found.append(result if isinstance(result, Failed) else outcome(item, result))
    return found
