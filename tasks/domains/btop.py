"""BLAST's trace-back operations as gap-free blocks, of many alignments at once.

"12AC3-D" are 12 equal columns, A under C, 3 equal columns, and a gap in the query against D. An
operation at a time, in Python, takes as long as all else that is done with an alignment; here the
texts of a table are one array, and each step is one of numpy's.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tasks.domains.alignment import Blocks
from tasks.domains.flat_blocks import Positions, bounds_of

GAP, ANY, ZERO, NINE = b"-*09"
LONGEST_NUMBER = 9
"""Digits; no sequence is longer."""
BOTH = 3
"""Kind of an operation with a residue of the query and one of the target."""


def btop_blocks(
    texts: Sequence[str],
    query: tuple[Sequence[int], Sequence[int]],
    target: tuple[Sequence[int], Sequence[int]],
) -> list[Blocks]:
    """Gap-free blocks of alignments.

    >>> btop_blocks(["3AC-D-E2"], ([10], [16]), ([0], [8]))
    [((10, 0, 4), (14, 6, 2))]
    >>> btop_blocks(["3AC--D-E2"], ([10], [16]), ([0], [8]))
    Traceback (most recent call last):
        ...
    ValueError: '3AC--D-E2' does not fill 10-16 and 0-8

    Args:
        texts: The operations of each.
        query: Where the stretch of each begins, and where it ends (0-based, half-open).
        target: The same.

    Raises:
        ValueError: One is no such text, or does not end where its stretches do.
    """
    bounds = bounds_of([len(text) for text in texts])
    letters = np.frombuffer("".join(texts).encode("ascii", "replace") + b"0", np.uint8)
    places, of_query, of_target, wrong = _operations(letters, bounds)
    # Operations of one kind that follow each other in an alignment are one step.
    kind = 2 * (of_query > 0) + (of_target > 0)
    changes = np.ones(len(places) + 1, np.bool_)
    changes[1:-1] = kind[1:] != kind[:-1]
    rows = np.searchsorted(places, bounds)
    changes[rows] = True
    steps = np.flatnonzero(changes)
    rows = np.searchsorted(steps, rows)
    passed_q, passed_t = (bounds_of(each)[steps] for each in (of_query, of_target))
    for passed, (begin, end) in ((passed_q, query), (passed_t, target)):
        wrong |= np.diff(passed[rows]) != np.subtract(end, begin)
    if wrong.any():
        row = int(np.argmax(wrong))
        told = " and ".join(f"{begin[row]}-{end[row]}" for begin, end in (query, target))
        raise ValueError(f"{texts[row][:60]!r} does not fill {told}")
    aligned = np.flatnonzero(kind[steps[:-1]] == BOTH)
    columns = (
        _starts(passed_q, rows, query[0])[aligned],
        _starts(passed_t, rows, target[0])[aligned],
        np.diff(passed_q)[aligned],
    )
    blocks = tuple(zip(*(column.tolist() for column in columns), strict=True))
    return [blocks[a:b] for a, b in pairwise(np.searchsorted(aligned, rows).tolist())]


def _starts(passed: Positions, rows: Positions, begin: Sequence[int]) -> Positions:
    """Where each step begins in its sequence, of the residues passed before it in all texts."""
    shift = np.asarray(begin, np.int64) - passed[rows[:-1]]
    return passed[:-1] + np.repeat(shift, np.diff(rows))


def _operations(
    letters: NDArray[np.uint8], bounds: Positions
) -> tuple[Positions, Positions, Positions, NDArray[np.bool_]]:
    """Where each operation begins, its residues of query and of target; rows with other texts.

    Args:
        letters: Of all texts, and one more.
    """
    digit = (letters >= ZERO) & (letters <= NINE)
    lower = letters | 0x20
    known = (
        digit | ((lower >= ord("a")) & (lower <= ord("z"))) | (letters == GAP) | (letters == ANY)
    )
    begins = np.r_[True, digit[1:] != digit[:-1]]  # of stretches of digits or of other letters
    begins[bounds] = True
    stretches = np.flatnonzero(begins)
    lengths = np.diff(stretches)
    stretches = stretches[:-1]
    is_number = digit[stretches]
    number = np.zeros(len(letters), np.int64)
    at, left = stretches[is_number], lengths[is_number]
    for place in range(min(int(left.max(initial=0)), LONGEST_NUMBER)):
        at, left = at[left > place], left[left > place]
        number[at] = number[at] * 10 + (letters[at + place] - ZERO)
    wrong_stretch = np.where(is_number, lengths > LONGEST_NUMBER, lengths % 2 == 1)
    # A number is one operation, other letters are two by two.
    inside = np.arange(len(letters) - 1) - np.repeat(stretches, lengths)
    places = np.flatnonzero(np.where(digit[:-1], inside == 0, inside % 2 == 0))
    counts = number[places]
    of_query = np.where(digit[places], counts, letters[places] != GAP)
    of_target = np.where(digit[places], counts, letters[places + 1] != GAP)
    wrong = np.concatenate(
        [
            np.flatnonzero(~known),
            stretches[wrong_stretch],
            places[(of_query == 0) & (of_target == 0)],
        ]
    )
    rows = np.zeros(len(bounds), np.bool_)
    rows[np.searchsorted(bounds, wrong, side="right") - 1] = True
    return places, of_query, of_target, rows[:-1]
