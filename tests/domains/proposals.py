"""Proposals of one domain hit, as the choice and the confidences see them."""

from tasks.domains.candidates import Candidate
from tasks.domains.evidence import evidence_frame
from tasks.domains.hits import read_hits
from tasks.domains.proposal import Proposal, Scored
from tasks.domains.ranges import size
from tests.domains.evidence_rows import row


def proposal(probability, *segments, aligned=None, known=False, reference_length=None):
    length = size(segments)
    evidence = evidence_frame([row("d", 0, 0, length, 1.0, share=1 if known else 1 / 3)])
    (hit,) = read_hits(evidence, length)
    aligned = segments if aligned is None else aligned
    one = Candidate(
        hit=hit,
        kind="domain_blast",
        domain_id="d",
        lineage=("a",),
        segments=segments,
        aligned=aligned,
        extended_start=0,
        extended_end=0,
        missing=0,
        reference_length=reference_length or length,
        columns=length,
        fit=0.0,
    )
    scored = Scored(probability, probability, 1.0, one)
    return Proposal([scored], "a", segments, aligned, length, probability=probability)
