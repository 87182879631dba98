"""Proposals of one domain hit, as the choice and the confidences see them."""

from tasks.domains.candidates import Candidate
from tasks.domains.hits import Hit
from tasks.domains.proposal import Proposal, Scored
from tasks.domains.ranges import size


def proposal(probability, *segments, aligned=None, known=False, reference_length=None):
    length = size(segments)
    identities = length if known else length // 3
    hit = Hit(0, "domain_blast", "blastp", "d", ((0, 0, length),), identities, 1, 1, 1, length)
    aligned = segments if aligned is None else aligned
    one = Candidate(
        hit,
        "domain_blast",
        "d",
        ("a",),
        segments,
        aligned,
        reference_length or length,
        length,
        0,
        0,
        0,
        0.0,
    )
    scored = Scored(probability, probability, 1.0, one)
    return Proposal([scored], "a", segments, aligned, length, probability=probability)
