"""Functions that a declared graph may name in `uses: python`: one value in, one value out.

A graph written in Python brings its own (`tasks.graphs.builder`); data can only name these.
"""

from collections.abc import Callable
from typing import Any


def word_count(item: dict[str, Any]) -> dict[str, Any]:
    """Add `words`, the number of words of `text`."""
    return {**item, "words": len(str(item["text"]).split())}


def character_count(item: dict[str, Any]) -> dict[str, Any]:
    """Add `characters`, the number of characters of `text`."""
    return {**item, "characters": len(str(item["text"]))}


def lower_case(item: dict[str, Any]) -> dict[str, Any]:
    """Put `text` into lower case."""
    return {**item, "text": str(item["text"]).lower()}


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "character_count": character_count,
    "lower_case": lower_case,
    "word_count": word_count,
}
