"""Which rows to take: the best ones, the best of groups, those far from each other.

Arrays in, arrays out; rows are numbered by their place in the table, which breaks all ties.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rapidfuzz.distance import Hamming, Levenshtein
from rapidfuzz.process import cdist

from blocks.errors import InputError
from tasks.design.residues import letter_matrix
from tasks.design.similarity import MAX_ALIGNED, identity

Metric = Literal["hamming", "edit"]


def distances(
    sequences: Sequence[str], reference: str, metric: Metric, *, normalised: bool
) -> NDArray[np.float64]:
    """Distance of each sequence to the reference, in letters or as a share of the longer one.

    Returns:
        Shape (n,); NaN where `hamming` meets another length.

    Source:
        Hamming 1950 and Levenshtein 1966, by rapidfuzz.
    """
    lengths = np.array([len(sequence) for sequence in sequences], np.int64)
    result = np.full(len(sequences), np.nan)
    rows = (
        np.flatnonzero(lengths == len(reference))
        if metric == "hamming"
        else np.arange(len(lengths))
    )
    if rows.size:
        scorer = Hamming.distance if metric == "hamming" else Levenshtein.distance
        chosen = [sequences[row] for row in rows.tolist()]
        result[rows] = cdist([reference], chosen, scorer=scorer, dtype=np.int32)[0]
    return result / np.maximum(np.maximum(lengths, len(reference)), 1) if normalised else result


def identities(sequences: Sequence[str], reference: str) -> NDArray[np.float64]:
    """Identical letters by the length of the longer sequence, from 0 to 1; shape (n,).

    Sequences as long as the reference are compared position by position, others are aligned with
    it: the same figure as the column `parent_identity` of the predictor `identity`.

    Raises:
        InputError: A sequence to be aligned is too long, or has letters no matrix knows.
    """
    # counted and then divided, so that 93 of 100 is the same float as a limit of 0.93
    identical = len(reference) - distances(sequences, reference, "hamming", normalised=False)
    result = identical / max(len(reference), 1)
    rows = np.flatnonzero(np.isnan(result))
    empty = np.array([not sequences[row] or not reference for row in rows.tolist()], np.bool_)
    result[rows[empty]] = 0.0
    rows = rows[~empty]
    if not rows.size:
        return result
    others = [sequences[row].replace(":", "*") for row in rows.tolist()]
    longest = max(len(reference), *map(len, others))
    if longest > MAX_ALIGNED:
        raise InputError(f"identity: a sequence of {longest}; expected at most {MAX_ALIGNED}")
    try:
        result[rows] = identity(others, reference.replace(":", "*"))["parent_identity"]
    except ValueError as error:
        raise InputError(f"identity: {error}; expected letters of proteins or RNA") from error
    return result


def best_rows(
    values: NDArray[np.float64],
    groups: NDArray[np.int64],
    *,
    n: int | None,
    percentile: float | None,
    largest: bool,
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """The best rows of each group, and the value of the worst one taken there.

    Args:
        values: NaN is never taken, and does not count for the percentile.
        groups: Number of the group of each row, from 0.
        n: Rows to take, or
        percentile: 90 takes the best 10 %, rounded up.
    """
    place = places(values, groups, largest=largest)
    valued = ~np.isnan(values)
    sizes = np.bincount(groups[valued], minlength=groups.max(initial=-1) + 1)
    if n is not None:
        limit = np.full(len(sizes), n)
    else:
        # rounded first: 10 * 0.1 is a bit more than 1 in binary
        share = (100 - (percentile or 0)) / 100
        limit = np.ceil(np.round(sizes * share, 9)).astype(np.int64)
    taken = valued & (place < limit[groups])
    return taken, worst_taken(values, groups, taken, largest=largest)


def places(
    values: NDArray[np.float64], groups: NDArray[np.int64], *, largest: bool
) -> NDArray[np.int64]:
    """Place of each row in its group, 0 the best, NaN last; shape (n,)."""
    order = np.lexsort((-values if largest else values, groups))
    ordered = groups[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]][: len(ordered)])
    sizes = np.diff(np.r_[starts, len(ordered)])
    place = np.empty(len(values), np.int64)
    place[order] = np.arange(len(values)) - np.repeat(starts, sizes)
    return place


def worst_taken(
    values: NDArray[np.float64],
    groups: NDArray[np.int64],
    taken: NDArray[np.bool_],
    *,
    largest: bool,
) -> NDArray[np.float64]:
    """For each row the worst value taken in its group, NaN where none is; shape (n,)."""
    by_group = pd.Series(np.where(taken, values, np.nan)).groupby(groups)
    return by_group.transform("min" if largest else "max").to_numpy(np.float64)


def group_numbers(column: "pd.Series[Any]") -> NDArray[np.int64]:
    """Number of each row's group, in order of appearance; missing values are one group."""
    return pd.factorize(column, use_na_sentinel=False)[0].astype(np.int64)


def best_of_clusters(
    scores: NDArray[np.float64], clusters: NDArray[np.int64], n: int | None, *, largest: bool
) -> NDArray[np.bool_]:
    """The best row of each cluster; with `n`, that many rows, the clusters taking turns.

    Every cluster gives its best before any gives its second; within a turn the better go first.
    """
    turn = places(scores, clusters, largest=largest)
    if n is None:
        return np.asarray(turn == 0)
    order = np.lexsort((-scores if largest else scores, turn))
    taken = np.zeros(len(scores), np.bool_)
    taken[order[:n]] = True
    return taken


def farthest_points(
    sequences: Sequence[str], n: int, start: int
) -> tuple[NDArray[np.bool_], NDArray[np.float64], float]:
    """`n` rows, each picked as the one farthest from all picked before it.

    The distance is Hamming's where all sequences are equally long, the edit distance otherwise.
    Takes time of n * len(sequences) distances and memory of len(sequences).

    Returns:
        Which rows are picked; each row's distance to the nearest picked one; the distance at
        which the last one was picked, infinite if only `start` was.

    Source:
        Gonzalez 1985, doi:10.1016/0304-3975(85)90224-5.
    """
    picked = np.zeros(len(sequences), np.bool_)
    nearest = np.full(len(sequences), np.inf)
    radius, row = np.inf, start
    distance_to = _distance_function(sequences)
    for _ in range(min(n, len(sequences))):
        if picked.any():
            # picked rows count as nearer than any other, so that duplicates can be picked too
            row = int(np.where(picked, -1.0, nearest).argmax())
            radius = float(nearest[row])
        picked[row] = True
        np.minimum(nearest, distance_to(row, nearest.max()), out=nearest)
    return picked, nearest, radius


def _distance_function(
    sequences: Sequence[str],
) -> Callable[[int, float], NDArray[Any]]:
    """Row number, cutoff -> distances from the row to all, larger ones only as "above cutoff".

    With the cutoff rapidfuzz looks at a band of each alignment only.
    """
    if len(set(map(len, sequences))) == 1 and sequences[0]:
        letters = letter_matrix(sequences)

        def substitutions(row: int, _: float) -> NDArray[Any]:
            return np.asarray(np.count_nonzero(letters != letters[row], axis=1))

        return substitutions

    def edit_distances(row: int, cutoff: float) -> NDArray[Any]:
        limit = int(cutoff) if np.isfinite(cutoff) else None
        ours = [sequences[row]]
        every = cdist(
            ours, sequences, scorer=Levenshtein.distance, score_cutoff=limit, dtype=np.int32
        )
        return np.asarray(every[0])

    return edit_distances
