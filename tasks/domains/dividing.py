"""Many queries in one call of a program; one that makes the program fail is found and left out."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from blocks.errors import ToolError

Q = TypeVar("Q")
R = TypeVar("R")

AT_LIMIT = 124
"""Status of a program that was killed at its time limit: smaller calls would not help."""
MOST_SINGLES = 5
"""Queries that fail alone, one after the other without a success, before the rest is given up."""


def ask_dividing(
    queries: Sequence[Q],
    ask: Callable[[Sequence[Q]], R],
    keep: Callable[[Sequence[Q], R], None],
) -> list[tuple[Q, str]]:
    """Queries that failed, with the reason; of all others the answer went to `keep`.

    A call that fails is halved until the queries that make it fail are alone. Where one after the
    other fails alone, it is not the queries' fault; those that were not asked alone then fail
    with the same reason, and the note that they were not tried.

    Args:
        ask: Answers some queries together.
        keep: Takes an answer as soon as it is there.
    """
    failed: list[tuple[Q, str]] = []
    waiting = [list(queries)] if queries else []
    singles = 0
    while waiting:
        part = waiting.pop()
        try:
            answer = ask(part)
        except ToolError as error:
            reason = " ".join(str(error).split())
            if error.status == AT_LIMIT:
                failed += [(query, reason) for query in part]
            elif len(part) > 1:
                middle = (len(part) + 1) // 2
                waiting += [part[middle:], part[:middle]]  # the first half is asked first
            else:
                failed.append((part[0], reason))
                singles += 1
                if singles == MOST_SINGLES and waiting:
                    note = f"not tried alone, {singles} others failed: {reason}"
                    failed += [(query, note) for rest in reversed(waiting) for query in rest]
                    return failed
        else:
            keep(part, answer)
            singles = 0
    return failed
