"""Where the parts of a reference chain lie that an alignment with it does not cover."""

from collections.abc import Sequence

from tasks.domains.alignment import Block

INTO = 15
"""A part is not covered if fewer columns than these reach into it from either side [aa]."""
FIT = 0.35
"""Room for what is not aligned may differ from its length by this share."""


def projected(
    blocks: Sequence[Block], part: tuple[int, int], length: int, chain_length: int
) -> tuple[int, int, float] | None:
    """The place of an unaligned part of a chain in a protein of that length.

    It lies between the columns before and after it, in proportion to its place in the chain.

    Returns:
        Start, end and by what share the room differs from the reference's; None where there is too
        little or too much room.
    """
    start, end = part
    before = [(q + run, t + run) for q, t, run in blocks if t + run <= start + INTO]
    after = [(q, t) for q, t, _ in blocks if t >= end - INTO]
    q_from, t_from = max(before, default=(0, 0))
    q_to, t_to = min(after, default=(length, chain_length))
    room, wanted = q_to - q_from, t_to - t_from
    if wanted <= 0 or room <= 0:
        return None
    fit = abs(room - wanted) / wanted
    if fit > FIT:
        return None
    # whatever is longer or shorter is shared out in proportion
    scale = room / wanted
    q_start = max(q_from + round((start - t_from) * scale), 0)
    q_end = min(q_from + round((end - t_from) * scale), length)
    return (q_start, q_end, fit) if q_start < q_end else None
