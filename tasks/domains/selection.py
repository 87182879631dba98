"""The best set of proposals that do not overlap, over all sets.

Weighted interval scheduling, for proposals of several stretches.  Two proposals may overlap a
little (both are cut later); more is a conflict.  One that lies in the gap of another is none: that
is an insertion.

Proposals are taken in the order of their starts.  The best set of those that are left is remembered
by *which* are left.  For proposals without gaps there are only as many such remainders as
proposals, and this is the textbook's O(n log n) method; discontinuous ones add a few.
"""

from collections.abc import Iterator, Sequence

from tasks.domains.proposal import Proposal
from tasks.domains.ranges import overlap, size

MAX_SHARED = 0.25
"""Share of the smaller proposal that may lie in another."""
LEAST_PROBABILITY = 0.1
"""Proposals less likely right than this are worth nothing."""
KNOWN_WEIGHT = 10.0
"""Of a domain that is the reference's own: no number of others in its place outvotes it."""
MAX_PROPOSALS = 512
"""Of more that hang together by conflicts only the heaviest are weighed against each other."""
MAX_REMAINDERS = 20_000
"""Remainders that are remembered before the rest is decided by weight alone."""


def best_set(proposals: Sequence[Proposal], least: float = LEAST_PROBABILITY) -> list[Proposal]:
    """The set of compatible proposals of the largest weight; ties go to those that begin first.

    The weight of a proposal is its probability of being right beyond `least`, so that of a set is
    the number of domains expected to be right, less a price for each.
    """
    weighed = [
        (KNOWN_WEIGHT if one.best.is_known else one.probability - least, one)
        for one in proposals
        if one.probability > least
    ]
    weighed.sort(key=lambda pair: _place(pair[1]))
    weights = [weight for weight, _ in weighed]
    conflicting = conflicts([one for _, one in weighed])
    heavy = sorted(range(len(weights)), key=lambda one: (-weights[one], one))
    taken = 0
    for group in _groups(conflicting):
        few = [index for index in heavy if group >> index & 1][:MAX_PROPOSALS]
        taken |= _heaviest(few, weights, conflicting)
    return [one for index, (_, one) in enumerate(weighed) if taken >> index & 1]


def _place(proposal: Proposal) -> tuple[object, ...]:
    return proposal.segments, -proposal.probability, proposal.best.domain_id


def conflicts(proposals: Sequence[Proposal]) -> list[int]:
    """For each proposal the set of those it cannot stand beside, as bits."""
    sizes = [size(one.segments) for one in proposals]
    found = [0] * len(proposals)
    for i, one in enumerate(proposals):
        end = one.segments[-1][1]
        for j in range(i + 1, len(proposals)):
            other = proposals[j].segments
            if other[0][0] >= end:
                break
            if overlap(one.segments, other) > MAX_SHARED * min(sizes[i], sizes[j]):
                found[i] |= 1 << j
                found[j] |= 1 << i
    return found


def _groups(conflicting: Sequence[int]) -> Iterator[int]:
    """Sets of proposals, as bits, of which none conflicts with one of another set."""
    left = (1 << len(conflicting)) - 1
    while left:
        group = reached = left & -left
        while reached:
            index = reached.bit_length() - 1
            further = conflicting[index] & ~group
            group |= further
            reached = reached ^ (1 << index) | further
        yield group
        left &= ~group


def _heaviest(heavy: Sequence[int], weights: Sequence[float], conflicting: Sequence[int]) -> int:
    """The heaviest set without conflicts, as bits; `heavy` are all indices, the heaviest first."""
    everything = sum(1 << index for index in heavy)
    known: dict[int, tuple[float, int]] = {0: (0.0, 0)}
    waiting = [everything]
    while waiting:
        left = waiting[-1]
        if left in known:
            waiting.pop()
            continue
        first = left & -left
        index = first.bit_length() - 1
        without, beside = left ^ first, left & ~conflicting[index] & ~first
        missing = [rest for rest in {without, beside} if rest not in known]
        if missing and len(known) < MAX_REMAINDERS:
            waiting.extend(missing)
            continue
        skipped = known.get(without) or _by_weight(without, heavy, weights, conflicting)
        weight, taken = known.get(beside) or _by_weight(beside, heavy, weights, conflicting)
        with_first = (weight + weights[index], taken | first)
        known[left] = with_first if with_first[0] >= skipped[0] else skipped
        waiting.pop()
    return known[everything][1]


def _by_weight(
    left: int, heavy: Sequence[int], weights: Sequence[float], conflicting: Sequence[int]
) -> tuple[float, int]:
    """A good set of those left: the heaviest first."""
    total, taken = 0.0, 0
    for index in heavy:
        if left >> index & 1 and not taken & conflicting[index]:
            total += weights[index]
            taken |= 1 << index
    return total, taken
