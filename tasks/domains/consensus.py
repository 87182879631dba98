"""Candidates that propose the same domain, as one: surer, and with the ends most agree on.

The probability that a candidate is right has two factors, which depend on different things: that
protein and reference are related at all (E-value, identity, ...), and, if they are, that the ends
are those of the domain (coverage, room left in the protein, ...).
"""

from collections.abc import Iterable, Mapping, Sequence

from tasks.domains.calibration import Calibration
from tasks.domains.candidates import Candidate
from tasks.domains.properties import properties_of
from tasks.domains.proposal import Proposal, Scored, proposal_ends, proposal_relation
from tasks.domains.ranges import Segments, overlap, size

SAME = 0.8
"""Candidates of one homology class propose one domain from this IoU on; those that agree less are
proposals of their own, which compete."""
LEAST = 0.02
"""Candidates that are less likely right than this are left out."""
SHARED = 0.5
"""Candidates that share this much of the smaller one tell of the same residues."""
CONFLICT = 0.3
"""Proposals that share this much of the smaller one compete."""


KNOWN = 0.98
"""Least probability of a domain that is the reference's own: it is not found anew."""
MOST_ENDS = 8
"""The ends of so many of the likeliest members are compared with all others."""


def scored(
    candidates: Sequence[Candidate], lengths: Sequence[int], calibration: Calibration
) -> list[Scored]:
    """Candidates of proteins of these lengths with their probabilities.

    Those of many proteins together: a card is looked up in for all of a kind at once.
    """
    kinds: dict[str, list[int]] = {}
    for place, one in enumerate(candidates):
        kinds.setdefault(one.kind, []).append(place)
    related, right = [0.0] * len(candidates), [0.0] * len(candidates)
    for kind, places in kinds.items():
        some = [candidates[place] for place in places]
        properties = properties_of(some, [lengths[place] for place in places])
        for name, values, found in zip(
            ("related", "ends"), properties, (related, right), strict=True
        ):
            card = calibration.cards[f"{kind} {name}"]
            for place, probability in zip(places, card.probabilities(values), strict=True):
                found[place] = probability
    return [
        Scored._make((kin * placed, kin, placed, one))
        for kin, placed, one in zip(related, right, candidates, strict=True)
    ]


def proposals_of(
    candidates: Iterable[Scored], length: int, homology_level: int, calibration: Calibration
) -> list[Proposal]:
    """The proposals of a protein, those that begin first first."""
    weighed = [one for one in candidates if one.probability >= LEAST]
    weighed.sort(key=_best)
    proposals = []
    for group in _by_class(weighed, homology_level):
        proposals += group
        _gather_kin(group)
        for proposal in group:
            _agree(proposal)
    _compete(proposals)
    related, ends = calibration.cards["domain related"], calibration.cards["domain ends"]
    for proposal in proposals:
        proposal.probability = related.probability(proposal_relation(proposal)) * ends.probability(
            proposal_ends(proposal, length)
        )
        if proposal.best.is_known:
            proposal.probability = max(proposal.probability, KNOWN)
    proposals.sort(key=_place)
    return proposals


def _best(one: Scored) -> tuple[object, ...]:
    candidate = one.candidate
    return (
        not candidate.is_known,
        -one.probability,
        candidate.segments,
        candidate.domain_id,
        candidate.kind,
    )


def _place(proposal: Proposal) -> tuple[object, ...]:
    return proposal.segments, -proposal.probability, proposal.best.domain_id


def homology_of(candidate: Candidate, level: int) -> object:
    """What candidates must share to be of one class; those of unknown class only themselves."""
    lineage = candidate.lineage
    return lineage[level] if len(lineage) > level else (candidate.domain_id, *lineage)


def _by_class(weighed: Sequence[Scored], level: int) -> list[list[Proposal]]:
    """The candidates in proposals, the proposals of one class together."""
    by_class: dict[object, list[Proposal]] = {}
    for one in weighed:
        homology = homology_of(one.candidate, level)
        segments = one.candidate.segments
        residues = size(segments)
        found, best = None, SAME
        same_class = by_class.setdefault(homology, [])
        for proposal in same_class:
            others = proposal.residues
            if others * SAME > residues or residues * SAME > others:
                continue  # what differs so much in size cannot agree
            shared = overlap(proposal.segments, segments)
            share = shared / (others + residues - shared)
            if share > best or (share == best and found is None):
                found, best = proposal, share
        if found is None:
            aligned = one.candidate.aligned
            same_class.append(Proposal([one], homology, segments, aligned, residues))
        else:
            found.members.append(one)
    return list(by_class.values())


def _gather_kin(same_class: Sequence[Proposal]) -> None:
    """How likely the residues of each are related to the class, and to how many domains of it."""
    related = [_related(proposal) for proposal in same_class]
    for proposal, own in zip(same_class, related, strict=True):
        by_domain = dict(own)
        for other, others in zip(same_class, related, strict=True):
            if other is proposal:
                continue
            smaller = min(proposal.residues, other.residues)
            if overlap(proposal.segments, other.segments) < SHARED * smaller:
                continue
            for domain, probability in others.items():
                by_domain[domain] = max(by_domain.get(domain, 0.0), probability)
        proposal.related = max(by_domain.values())
        proposal.kin = sum(by_domain.values()) - proposal.related


def _related(proposal: Proposal) -> dict[str, float]:
    """Each domain of the reference that a proposal rests on, with its probability."""
    found: dict[str, float] = {}
    for one in proposal.members:
        domain = one.candidate.domain_id
        found[domain] = max(found.get(domain, 0.0), one.related)
    return found


def _agree(proposal: Proposal) -> None:
    """Agreement, and the ends of the member that agrees most with all others."""
    by_domain: dict[str, float] = {}
    for one in proposal.members:
        by_domain.setdefault(one.candidate.domain_id, one.probability)
    proposal.agreement = sum(by_domain.values()) - proposal.members[0].probability
    if len(proposal.members) == 1 or proposal.best.is_known:
        return
    weights: dict[Segments, float] = {}
    for one in proposal.members:
        segments = one.candidate.segments
        weights[segments] = weights.get(segments, 0.0) + one.probability * one.probability
    proposal.segments = _central(weights)
    proposal.residues = size(proposal.segments)
    first, last = proposal.segments[0][0], proposal.segments[-1][1]
    away = sum(
        weight * (abs(other[0][0] - first) + abs(other[-1][1] - last))
        for other, weight in weights.items()
    )
    proposal.spread = away / sum(weights.values()) / max(last - first, 1)


def _central(weights: Mapping[Segments, float]) -> Segments:
    """The one with the largest weighted sum of IoU with all; the first of several."""
    if len(weights) <= 2:  # noqa: PLR2004 -- of two, the heavier
        return max(weights, key=lambda one: weights[one])
    sized = [(segments, size(segments), weight) for segments, weight in weights.items()]
    best, most = sized[0][0], 0.0
    for segments, residues, _ in sized[:MOST_ENDS]:
        total = 0.0
        for other, others, weight in sized:
            shared = overlap(segments, other)
            total += weight * (shared / (residues + others - shared))
        if total > most:
            best, most = segments, total
    return best


def _compete(proposals: Sequence[Proposal]) -> None:
    for i, one in enumerate(proposals):
        start, end = one.segments[0][0], one.segments[-1][1]
        for j in range(i):
            other = proposals[j]
            if other.segments[0][0] >= end or other.segments[-1][1] <= start:
                continue
            smaller = min(one.residues, other.residues)
            if overlap(one.segments, other.segments) < CONFLICT * smaller:
                continue
            if one.homology == other.homology:
                one.rivalry = max(one.rivalry, other.members[0].probability)
                other.rivalry = max(other.rivalry, one.members[0].probability)
            else:
                one.conflict = max(one.conflict, other.related)
                other.conflict = max(other.conflict, one.related)
