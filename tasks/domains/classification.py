"""The class of a domain, level by level, by the vote of all that was aligned there."""

from collections.abc import Sequence

from tasks.domains.boundaries import Placed, supported
from tasks.domains.calibration import Calibration
from tasks.domains.calls import LevelCall
from tasks.domains.candidates import Candidate
from tasks.domains.properties import strength
from tasks.domains.proposal import Proposal
from tasks.domains.reference_tables import ReferenceTables


def votes(placed: Placed, proposals: Sequence[Proposal]) -> list[tuple[float, Candidate]]:
    """Each reference domain proposed in the residues of a domain, once, with its probability."""
    best: dict[str, tuple[float, Candidate]] = {}
    for proposal in proposals:
        if proposal is not placed.proposal and not supported(placed.segments, proposal):
            continue
        for one in proposal.members:
            candidate = one.candidate
            known = best.get(candidate.domain_id)
            if known is None or one.related > known[0]:
                best[candidate.domain_id] = (one.related, candidate)
    return list(best.values())


def levels_of(
    placed: Placed,
    cast: Sequence[tuple[float, Candidate]],
    tables: ReferenceTables,
    calibration: Calibration,
    least: float,
) -> tuple[LevelCall, ...]:
    """The class at each level: the one most votes are for, with the probability that it is right.

    A level is called only among the votes for the class called above it.  From the first level on
    where the probability is below `least`, none is named.
    """
    found = {
        value: (name, properties)
        for name, value, properties in level_properties(placed, cast, tables)
    }
    values = list(found)
    calls = []
    certain, ceiling = True, 1.0
    for level, level_name in enumerate(tables.levels):
        if level >= len(values):
            calls.append(LevelCall(name=level_name, value=None, confidence=0.0))
            continue
        value = values[level]
        card, properties = found[value]
        confidence = calibration.cards[card].probability(properties)
        if level <= tables.homology_level and _is_of(placed.proposal, value, level):
            confidence = max(confidence, placed.proposal.confidence)
        if level > tables.homology_level:
            confidence = min(confidence, _undisputed(cast, values[: level + 1]))
        ceiling = min(ceiling, confidence)
        certain = certain and ceiling >= least
        named = value if certain else None
        calls.append(LevelCall(name=level_name, value=named, confidence=round(ceiling, 3)))
    return tuple(calls)


def level_properties(
    placed: Placed, cast: Sequence[tuple[float, Candidate]], tables: ReferenceTables
) -> list[tuple[str, str, tuple[float, ...]]]:
    """From the widest level on: the card to use, the class, the values of LEVEL.

    It ends at the level from which on no vote has a class.
    """
    found = []
    # down to the level of ancestry the class is that of the proposal, which has been weighed
    # against all others in its place; the votes tell how many agree
    decided = placed.proposal.best.lineage[: tables.homology_level + 1]
    above: tuple[str, ...] = ()
    for level in range(len(tables.levels)):
        above = decided[: level + 1] if level < len(decided) else above
        value, properties = _vote(placed, cast, level, above)
        if value is None:
            break
        card = f"level{max(min(level - tables.homology_level, 1), -1)}"
        found.append((card, value, properties))
        above = (*above[:level], value)
    return found


def _undisputed(cast: Sequence[tuple[float, Candidate]], lineage: Sequence[str]) -> float:
    """The most that a class can be trusted: 1, or its share of the votes if its rival is as good.

    A rival is another class at that level, below the same one, with as strong an alignment; so
    rare in what calibrations are fitted to that these say nothing of it.
    """
    level = len(lineage) - 1
    above = tuple(lineage[:level])
    near = [
        (weight, one)
        for weight, one in cast
        if len(one.lineage) > level and one.lineage[:level] == above
    ]
    own = [(weight, one) for weight, one in near if one.lineage[level] == lineage[level]]
    best = max((strength(one.hit.evalue) for _, one in own), default=0.0)
    rivals = [one for _, one in near if one.lineage[level] != lineage[level]]
    if all(strength(one.hit.evalue) < best for one in rivals):
        return 1.0
    return sum(weight for weight, _ in own) / sum(weight for weight, _ in near)


def _is_of(proposal: Proposal, value: str, level: int) -> bool:
    lineage = proposal.best.lineage
    return len(lineage) > level and lineage[level] == value


def _vote(
    placed: Placed, cast: Sequence[tuple[float, Candidate]], level: int, above: tuple[str, ...]
) -> tuple[str | None, tuple[float, ...]]:
    """The class with most votes at a level, of those below `above`; the values of LEVEL for it."""
    weights: dict[str, float] = {}
    best: dict[str, tuple[float, Candidate]] = {}
    for weight, one in cast:
        lineage = one.lineage
        if len(lineage) <= level or lineage[: len(above)] != above:
            continue
        value = lineage[level]
        weights[value] = weights.get(value, 0.0) + weight
        if value not in best or weight > best[value][0]:
            best[value] = (weight, one)
    if not weights:
        return None, ()
    value = min(weights, key=lambda name: (-weights[name], name))
    hit = best[value][1].hit
    share = weights[value] / sum(weight for weight, _ in cast)
    return value, (
        share,
        weights[value],
        placed.proposal.confidence,
        strength(hit.evalue),
        hit.identities / hit.columns,
    )
