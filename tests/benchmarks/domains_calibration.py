"""Fits the table of confidences, `tasks/domains/calibration.json`, to chains of known domains.

python tests/benchmarks/domains_calibration.py --data DATA [--out FILE] [--cache DIR]
    [--hhsuite DIR --hhsearch 150]

Chains of the benchmark (`bench600.txt`) take no part, so that it stays a true hold-out; nor do hits
of a chain's own PDB entry.  All other fully annotated chains with several domains are used, and as
many with one.  With `--hhsuite` (a folder, made if it is empty) so many of them are searched with
HHsearch, too, and all is fitted; without it the card of chosen domains and the knots are, and the
other cards, in which profile hits have a part, are taken over from the present table.  That card
and the knots are those of BLAST alone in both cases: chains with profile hits are too few for them.

What a card is fitted to has been proposed by cards of the other half of the chains, so that no
card sees how well another one remembers.
"""

import argparse
import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from domains_data import (
    SUPERFAMILY,
    Data,
    blast_evidence,
    build_hhsuite,
    held_out,
    hhsearch_evidence,
    read_data,
)

from tasks.domains.boundaries import Placed, placed
from tasks.domains.calibration import (
    TABLE,
    Calibration,
    Scorecard,
    fit_knots,
    fit_scorecard,
    read_calibration,
    write_calibration,
)
from tasks.domains.candidates import Candidate, candidates_of
from tasks.domains.classification import level_properties, votes
from tasks.domains.confidence import context_properties
from tasks.domains.consensus import homology_of, proposals_of, scored
from tasks.domains.hits import read_hits
from tasks.domains.partition_settings import PartitionSettings
from tasks.domains.properties import (
    CONTEXT,
    DOMAIN_ENDS,
    DOMAIN_RELATION,
    ENDS,
    LEVEL,
    RELATION,
    properties_of,
)
from tasks.domains.proposal import Proposal, proposal_ends, proposal_relation
from tasks.domains.ranges import Segments, iou, overlap, size
from tasks.domains.search_settings import BlastSettings
from tasks.domains.selection import best_set

RIGHT_IOU = 0.8
SETTINGS = PartitionSettings()
EVALUE = BlastSettings().evalue
KNOWN_ONE_OF = 5
"""Of so many chains one is seen with the hits of its own entry, too, for the cards of classes.  The
others do without: a domain that is the reference's own is told apart before any card is asked."""
Examples = list[tuple[Sequence[float], bool]]
Cases = Mapping[str, Sequence[Candidate]]
"""Chain (with a mark, if it was searched with HHsearch) -> candidates."""


def main() -> None:
    """Fit and write."""
    args = _arguments()
    data = read_data(args.data)
    chains = training_chains(data, args.seed)
    cases = _cases(data, chains, args)
    blast = {name: one for name, one in cases.items() if not _has_profiles(name)}
    calibration = fit(data, blast, _halves(chains, blast))
    command = "python tests/benchmarks/domains_calibration.py --data DATA"
    made = f"{command} --hhsuite DIR --hhsearch {args.hhsearch}"
    if args.hhsuite:
        others = fit(data, cases, _halves(chains, cases)).cards
    else:
        old = read_calibration()
        others = old.cards
        made = f"{str(old.provenance['command']).split('; ')[0]}; context and knots: {command}"
    cards = {**others, "context": calibration.cards["context"]}
    provenance = {
        "command": made,
        "data": "SCOP 1.75 domains (ASTRAL 40 %) and PDB chains with their ranges",
        "chains": f"{len(chains)} fully annotated chains outside of bench600.txt, half with "
        "several domains; hits of their own PDB entries removed; for the cards of "
        f"classes one in {KNOWN_ONE_OF} was also looked at with these hits",
        "right": "IoU of residues >= 0.8 with a true domain of the same superfamily",
        "confidence": "share of right domains in groups of 100, less its standard error",
        "seed": args.seed,
    }
    write_calibration(replace(calibration, cards=cards, provenance=provenance), args.out)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=TABLE)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--hhsuite", type=Path)
    parser.add_argument("--hhsearch", type=int, default=150)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def training_chains(data: Data, seed: int) -> list[str]:
    """Chains outside of the benchmark: all with several domains, as many with one."""
    bench = set(data.bench)
    rng = random.Random(seed)
    multi = [chain for chain in data.chains(multi=True) if chain not in bench]
    single = [chain for chain in data.chains(multi=False) if chain not in bench]
    rng.shuffle(multi)
    rng.shuffle(single)
    return [one for pair in zip(multi, single, strict=False) for one in pair]


def _cases(data: Data, chains: Sequence[str], args: argparse.Namespace) -> Cases:
    with tempfile.TemporaryDirectory() as name:
        temp = Path(name)
        blast = blast_evidence(data, chains, EVALUE, args.cache, temp)
        cases = {chain: _candidates(data, chain, held_out(blast[chain], chain)) for chain in chains}
        for chain in chains[::KNOWN_ONE_OF]:
            cases[f"{chain} own"] = _candidates(data, chain, blast[chain])
        if args.hhsuite:
            build_hhsuite(data, args.hhsuite, 2)
            some = chains[: args.hhsearch]
            found = hhsearch_evidence(data, some, args.hhsuite, args.cache, temp)
            for chain in some:
                both = pd.concat([blast[chain], found[chain]], ignore_index=True)
                cases[f"{chain} hhsearch"] = _candidates(data, chain, held_out(both, chain))
        return cases


def _candidates(data: Data, chain: str, evidence: pd.DataFrame) -> list[Candidate]:
    length = len(data.sequences[chain])
    return [
        one
        for hit in read_hits(evidence, length)
        for one in candidates_of(hit, length, data.tables, SETTINGS.max_extension)
    ]


def chain_of(case: str) -> str:
    """The chain of a case."""
    return case.split(maxsplit=1)[0]


def _is_known(case: str) -> bool:
    """Whether the hits of the chain's own entry are there."""
    return case.endswith(" own")


def _has_profiles(case: str) -> bool:
    """Whether the chain was searched with HHsearch, too."""
    return case.endswith(" hhsearch")


def _halves(chains: Sequence[str], cases: Cases) -> tuple[list[str], list[str]]:
    """The cases of every second pair of chains, and all others."""
    first = {chain for at, chain in enumerate(chains) if at % 4 < 2}
    names = sorted(cases)
    return (
        [name for name in names if chain_of(name) in first],
        [name for name in names if chain_of(name) not in first],
    )


# ---- fitting


def fit(data: Data, cases: Cases, halves: tuple[Sequence[str], Sequence[str]]) -> Calibration:
    """Cards of alignments, of proposals, of chosen domains and of classes; knots of confidence."""
    fresh = [[name for name in half if not _is_known(name)] for half in halves]
    cards = [_hit_cards(data, cases, half) for half in fresh]
    found = [_proposal_examples(data, cases, fresh[1 - at], {**cards[at], **FLAT}) for at in (0, 1)]
    for at in (0, 1):
        cards[at] |= _proposal_cards([found[1 - at]])
    chosen: list[tuple[str, tuple[float, ...], bool]] = []
    classes: dict[str, Examples] = {}
    for at in (0, 1):
        for case in halves[1 - at]:
            chosen += _chosen(data, case, cases[case], Calibration({}, cards[at], ()), classes)
    chosen = [one for one in chosen if not _is_known(one[0])]
    context = [(values, right) for _, values, right in chosen]
    fitted = {
        **_hit_cards(data, cases, [*fresh[0], *fresh[1]]),
        **_proposal_cards(found),
        "context": _card(context, CONTEXT),
        **{name: _card(examples, LEVEL) for name, examples in sorted(classes.items())},
    }
    return Calibration({}, fitted, _knots(chosen))


FLAT = {
    name: Scorecard(
        0.0,
        tuple(properties),
        tuple(tuple(map(float, edges)) for edges in properties.values()),
        tuple((0.0,) * (len(edges) + 1) for edges in properties.values()),
    )
    for name, properties in (("domain related", DOMAIN_RELATION), ("domain ends", DOMAIN_ENDS))
}
"""Cards that tell nothing."""


def _card(examples: Examples, properties: Mapping[str, Sequence[float]]) -> Scorecard:
    values, right = zip(*examples, strict=True)
    return fit_scorecard(np.array(values, float), np.array(right), properties)


def _hit_cards(data: Data, cases: Cases, names: Sequence[str]) -> dict[str, Scorecard]:
    related: dict[str, Examples] = {}
    ends: dict[str, Examples] = {}
    for case in names:
        length = len(data.sequences[chain_of(case)])
        relation, of_ends = properties_of(cases[case], [length] * len(cases[case]))
        for one, values, others in zip(cases[case], relation, of_ends, strict=True):
            if _has_profiles(case) and one.kind != "hhsearch":
                continue  # known from the case without HHsearch
            homology = homology_of(one, SUPERFAMILY)
            kin = is_kin(data, case, one.segments, homology)
            related.setdefault(one.kind, []).append((values, kin))
            if kin:
                right = is_right(data, case, one.segments, homology)
                ends.setdefault(one.kind, []).append((others, right))
    return {
        f"{kind} related": _card(found, RELATION) for kind, found in sorted(related.items())
    } | {f"{kind} ends": _card(found, ENDS) for kind, found in sorted(ends.items())}


def _proposals(
    candidates: Sequence[Candidate], length: int, calibration: Calibration
) -> list[Proposal]:
    weighed = scored(candidates, [length] * len(candidates), calibration)
    return proposals_of(weighed, length, SUPERFAMILY, calibration)


def _proposal_examples(
    data: Data, cases: Cases, names: Sequence[str], cards: Mapping[str, Scorecard]
) -> tuple[Examples, Examples]:
    """Of the class, and, where that is right, of the ends of each proposal."""
    related: Examples = []
    ends: Examples = []
    for case in names:
        length = len(data.sequences[chain_of(case)])
        for one in _proposals(cases[case], length, Calibration({}, cards, ())):
            kin = is_kin(data, case, one.segments, one.homology)
            related.append((proposal_relation(one), kin))
            if kin:
                right = is_right(data, case, one.segments, one.homology)
                ends.append((proposal_ends(one, length), right))
    return related, ends


def _proposal_cards(found: Sequence[tuple[Examples, Examples]]) -> dict[str, Scorecard]:
    return {
        "domain related": _card([one for related, _ in found for one in related], DOMAIN_RELATION),
        "domain ends": _card([one for _, ends in found for one in ends], DOMAIN_ENDS),
    }


def _chosen(
    data: Data,
    case: str,
    candidates: Sequence[Candidate],
    calibration: Calibration,
    classes: dict[str, Examples],
) -> list[tuple[str, tuple[float, ...], bool]]:
    """Case, values of CONTEXT and truth of each chosen domain; adds to the examples of classes."""
    length = len(data.sequences[chain_of(case)])
    proposals = _proposals(candidates, length, calibration)
    domains = placed(best_set(proposals), length, SETTINGS)
    found = []
    for one, values in zip(domains, context_properties(domains, proposals, length), strict=True):
        right = is_right(data, case, one.segments, one.proposal.homology)
        one.proposal.confidence = one.proposal.probability
        found.append((case, values, right))
        _class_examples(data, case, one, proposals, classes)
    return found


def _knots(
    chosen: Sequence[tuple[str, tuple[float, ...], bool]],
) -> tuple[tuple[float, float], ...]:
    """Of confidences by a card that was fitted to the other half of the chains."""
    names = sorted({chain_of(case) for case, _, _ in chosen})
    first = set(names[0::2])
    halves = [
        [one for one in chosen if (chain_of(one[0]) in first) == side] for side in (True, False)
    ]
    probabilities, right = [], []
    for at in (0, 1):
        card = _card([(values, is_) for _, values, is_ in halves[at]], CONTEXT)
        for _, values, is_ in halves[1 - at]:
            probabilities.append(card.probability(values))
            right.append(is_)
    return fit_knots(np.array(probabilities), np.array(right))


def _class_examples(
    data: Data,
    case: str,
    one: Placed,
    proposals: Sequence[Proposal],
    found: dict[str, Examples],
) -> None:
    """Whether the class at each level is that of the true domain in the same place, if there is."""
    there = [
        true
        for true in data.truth[chain_of(case)]
        if overlap(true.segments, one.segments) * 2 >= size(true.segments)
    ]
    if len(there) != 1:
        return
    cast = votes(one, proposals)
    for name, value, properties in level_properties(one, cast, data.tables):
        right = f"{there[0].classification}.".startswith(f"{value}.")
        found.setdefault(name, []).append((properties, right))


def is_kin(data: Data, case: str, segments: Segments, homology: object) -> bool:
    """Whether a true domain of that superfamily shares half of the residues of the smaller one."""
    return any(
        true.superfamily == homology
        and overlap(segments, true.segments) * 2 >= min(size(segments), size(true.segments))
        for true in data.truth[chain_of(case)]
    )


def is_right(data: Data, case: str, segments: Segments, homology: object) -> bool:
    """Whether a true domain of that superfamily lies there."""
    return any(
        true.superfamily == homology and iou(segments, true.segments) >= RIGHT_IOU
        for true in data.truth[chain_of(case)]
    )


if __name__ == "__main__":
    main()
