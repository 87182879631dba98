"""A domain that candidates of one homology class propose together, and what it is judged by."""

from dataclasses import dataclass
from math import log
from typing import NamedTuple

from tasks.domains.candidates import Candidate
from tasks.domains.ranges import Segments


class Scored(NamedTuple):
    """A candidate and what speaks for it."""

    probability: float
    """Of being right: the product of the next two."""
    related: float
    """Probability of being of the protein's homology class there."""
    ends: float
    """Probability that the ends are right, if it is."""
    candidate: Candidate


@dataclass(slots=True)
class Proposal:
    """Candidates of one homology class that agree on a domain; the best first.

    The best is the protein's own domain where the reference has it, otherwise the likeliest.
    """

    members: list[Scored]
    homology: object
    segments: Segments
    aligned: Segments
    residues: int
    """Of the segments."""
    related: float = 0.0
    """Of the member that is most likely related."""
    kin: float = 0.0
    """Expected number of further domains of the reference that are related to these residues."""
    conflict: float = 0.0
    """Probability that something of another class is related to these residues."""
    agreement: float = 0.0
    """Expected number of right members besides the best, one per domain of the reference."""
    rivalry: float = 0.0
    """Probability of the best proposal of the same class with other ends."""
    spread: float = 0.0
    """Mean distance of the members' ends from the consensus, of its length."""
    probability: float = 0.0
    """Of being right, seen alone."""
    confidence: float = 0.0
    """The same, seen beside the other domains of the protein; 0 unless it was chosen."""

    @property
    def best(self) -> Candidate:
        """The best member."""
        return self.members[0].candidate


def log_odds(probability: float) -> float:
    """Logarithm of the odds; finite for 0 and 1, too."""
    bounded = min(max(probability, 1e-6), 1 - 1e-6)
    return log(bounded / (1 - bounded))


def proposal_relation(proposal: Proposal) -> tuple[float, ...]:
    """The values of DOMAIN_RELATION of a proposal."""
    return log_odds(proposal.related), proposal.kin, proposal.conflict


def proposal_ends(proposal: Proposal, length: int) -> tuple[float, ...]:
    """The values of DOMAIN_ENDS of a proposal in a protein of that length."""
    residues = proposal.residues
    return (
        log_odds(proposal.members[0].ends),
        proposal.agreement,
        proposal.rivalry,
        proposal.spread,
        length - residues,
        residues,
        len(proposal.segments),
        proposal.conflict,
    )
