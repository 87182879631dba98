"""Which items make a service refuse a whole batch without naming them: adaptive group testing.

Source:
    Hwang 1972, doi:10.1080/01621459.1972.10481257 (generalised binary splitting: groups as large
    as the share of bad items found so far suggests).
"""

from collections.abc import Awaitable, Callable, Sequence

Send = Callable[[Sequence[int]], Awaitable[str | None]]
"""Sends the items at these places: None where they passed, otherwise what the service said."""
MARGIN = 2
"""Requests beyond n + log2 n."""


async def culprits(
    places: Sequence[int], refused: str, send: Send, *, confirm: bool = False
) -> dict[int, str]:
    """The places that are refused -> what the service said; all others have passed at the end.

    One culprit among 32 takes 6 requests. With those that `places` took itself, there are never
    more than n + log2 n + `MARGIN`: a group is tried only while the requests left would still do
    to try each item by itself.

    Args:
        places: Sent together and refused.
        refused: What the service said.
        confirm: Refuse nobody who was not refused alone; otherwise the last of a refused group is
            taken for the culprit when all others of it passed.
    """
    if len(places) == 1:
        return {places[0]: refused}
    open_ = list(places)
    suspects, said = len(open_), refused  # the first of `open_` were refused together
    allowed = len(open_) + max(len(open_) - 1, 0).bit_length() + MARGIN - 1
    found: dict[int, str] = {}
    while open_:
        if suspects == 1 and not confirm:
            found[open_.pop(0)] = said
            suspects = 0
            continue
        passed = len(places) - len(open_) - len(found)
        size = _group(len(open_), suspects, len(found), passed)
        if allowed <= len(open_):
            size = 1
        group, allowed = open_[:size], allowed - 1
        answer = await send(group)
        if answer is None:
            del open_[:size]
            suspects = max(suspects - size, 0)
        elif size == 1:
            found[open_.pop(0)] = answer
            suspects = 0
        else:
            suspects, said = size, answer
    return found


def _group(open_: int, suspects: int, found: int, passed: int) -> int:
    """How many to try next: half of the suspects, or about as many as hold one bad item."""
    likely = open_ if found <= 1 else (found + passed) // found
    return max(1, min(likely, suspects // 2 if suspects else open_))
