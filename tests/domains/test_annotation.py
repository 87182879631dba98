"""Whole annotations, with the committed table of confidences.

The reference has the chain `pair` (domains a 1-100 and b 101-200) and single domains of 100
residues, named for their class and a number.
"""

import random
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.domains.annotation import Protein, annotate, annotate_all
from tasks.domains.evidence import EVIDENCE_COLUMNS, empty_evidence, evidence_frame
from tasks.domains.partition_settings import PartitionSettings
from tasks.domains.reference_tables import CHAIN_COLUMNS, DOMAIN_COLUMNS, ReferenceTables
from tests.domains.evidence_rows import row

CLASSES = {"a": "a.1.1.1", "b": "b.1.1.1", "c": "a.1.2.1", "long": "d.1.1.1", "f": "a.1.1.2"}
TABLES = ReferenceTables(
    pd.DataFrame(
        [
            (f"{name}{number}", "", "", 190 if name == "long" else 100, classification)
            for name, classification in CLASSES.items()
            for number in range(4)
        ],
        columns=DOMAIN_COLUMNS,
    ),
    pd.DataFrame(
        [("pair", 200, "a9", "1-100", "a.1.1.1"), ("pair", 200, "b9", "101-200", "b.1.1.1")],
        columns=CHAIN_COLUMNS,
    ),
)
DEFAULT = PartitionSettings()


def annotation(length, *rows, settings=DEFAULT):
    return annotate(Protein("p", "A" * length, ""), evidence_frame(rows), TABLES, settings)


def ranges(found):
    return [(one.segments, one.classification[:3]) for one in found.domains]


def test_two_strong_hits_win_over_a_weak_long_one():
    found = annotation(
        200,
        row("long0", 0, 0, 190, 1e-3, 0.2),
        row("a0", 0, 0, 95, 1e-90, 0.6),
        row("b0", 100, 0, 95, 1e-90, 0.6),
    )
    assert ranges(found) == [(((0, 100),), "a.1"), (((100, 200),), "b.1")]
    assert found.outcome == "classified"
    assert found.assigned == 200


def test_an_evalue_of_zero_is_the_strongest():
    zero = annotation(100, row("a0", 0, 0, 100, 0.0))
    tiny = annotation(100, row("a0", 0, 0, 100, 1e-180))
    assert zero.domains[0].confidence == tiny.domains[0].confidence > 0.9
    assert zero.domains[0].evidence[0].evalue == 0


def test_an_insertion_makes_its_host_discontinuous():
    found = annotation(
        210,
        row(
            "a0",
            0,
            0,
            0,
            1e-60,
            query_starts=[0, 150],
            target_starts=[0, 50],
            block_lengths=[50, 50],
            identities=60,
        ),
        row("b0", 50, 0, 100, 1e-60, 0.6),
    )
    host, guest = found.domains
    assert host.segments == ((0, 50), (150, 210))
    assert guest.segments == ((50, 150),)
    assert (host.is_discontinuous, guest.is_discontinuous) == (True, False)


def test_one_chain_hit_gives_all_domains_of_the_chain():
    found = annotation(200, row("pair", 0, 0, 200, 1e-80, source="chain_blast"))
    assert ranges(found) == [(((0, 100),), "a.1"), (((100, 200),), "b.1")]
    first = found.domains[0].evidence[0]
    assert (first.target, first.domain, first.target_segments) == ("pair", "a9", ((0, 100),))


def test_hits_that_agree_are_surer_than_one():
    one = annotation(100, row("a0", 0, 0, 70, 0.01, 0.25))
    more = annotation(100, *(row(f"a{at}", 0, 0, 70, 0.01, 0.25) for at in range(4)))
    (surer,) = more.domains
    assert surer.confidence > max([domain.confidence for domain in one.domains], default=0)
    assert surer.evidence_count == 4


def test_weak_evidence_for_two_classes_is_for_none():
    found = annotation(100, row("a0", 0, 0, 60, 0.5, 0.25), row("b0", 0, 0, 60, 0.5, 0.25))
    assert found.domains == ()
    assert (found.outcome, found.unassigned[0].reason) == ("rejected", "weak_hits")


def test_the_class_ends_where_the_evidence_disagrees():
    found = annotation(
        100,
        row("a0", 0, 0, 100, 1e-30),
        row("f0", 0, 0, 100, 1e-30),
        settings=PartitionSettings(level_confidence=0.8),
    )
    (domain,) = found.domains
    assert domain.classification == "a.1.1"
    family = domain.levels[-1]
    assert (family.name, family.value) == ("family", None)
    assert family.confidence < 0.8


def test_a_domain_without_a_certain_class_is_unclassified():
    strict = PartitionSettings(level_confidence=1.0)
    found = annotation(100, row("a0", 0, 0, 100, 1e-30), settings=strict)
    assert found.outcome == "unclassified"
    assert found.domains[0].classification == ""


def test_confidence_never_rises_with_depth():
    (domain,) = annotation(100, row("a0", 0, 0, 100, 1e-30)).domains
    confidences = [level.confidence for level in domain.levels]
    assert confidences == sorted(confidences, reverse=True)
    assert [level.name for level in domain.levels] == ["class", "fold", "superfamily", "family"]


def test_a_piece_of_a_domain_is_a_fragment():
    found = annotation(
        50, row("a0", 0, 0, 50, 1e-25, 0.9), settings=PartitionSettings(min_confidence=0)
    )
    assert found.domains[0].is_fragment


def test_a_protein_with_profile_hits_has_a_limit_of_its_own(monkeypatch):
    monkeypatch.setattr("tasks.domains.partition_settings.LEAST", 1)
    monkeypatch.setattr("tasks.domains.partition_settings.LEAST_WITH_PROFILES", 0)
    blast = row("a0", 0, 0, 100, 1e-30)
    profile = row("b0", 0, 0, 20, 1.0, source="hhsearch", program="hhsearch", probability=0.3)

    assert not annotation(100, blast).domains
    assert annotation(100, blast, profile).domains
    assert not annotation(100, blast, profile, settings=PartitionSettings(min_confidence=1)).domains


def test_the_residues_that_no_alignment_covers_are_told():
    (domain,) = annotation(100, row("a0", 10, 10, 85, 1e-30)).domains
    assert (domain.segments, domain.extended_start, domain.extended_end) == (((0, 100),), 10, 5)


@pytest.mark.parametrize(
    ("length", "rows", "outcome", "reason"),
    [
        pytest.param(20, [], "peptide", "peptide", id="peptide"),
        pytest.param(200, [], "no_evidence", "no_hit", id="nothing found"),
        pytest.param(
            200, [row("gone", 0, 0, 100, 1e-30)], "rejected", "weak_hits", id="unknown target"
        ),
    ],
)
def test_a_protein_without_domains_says_why(length, rows, outcome, reason):
    found = annotation(length, *rows)
    assert (found.outcome, found.domains) == (outcome, ())
    assert [(one.segments, one.reason) for one in found.unassigned] == [(((0, length),), reason)]


def test_what_is_left_has_its_reason():
    found = annotation(400, row("a0", 0, 0, 100, 1e-30))
    assert found.outcome == "partly"
    assert [(one.segments, one.reason) for one in found.unassigned] == [(((100, 400),), "no_hit")]


def test_an_alignment_beyond_the_protein_is_not_its_own():
    assert annotation(90, row("a0", 0, 0, 100, 1e-30)).outcome == "no_evidence"


ROWS = [
    row(target, query, start, length, evalue, share=share)
    for target, query, start, length, evalue, share in [
        ("a0", 0, 0, 95, 1e-40, 0.5),
        ("a1", 3, 5, 90, 1e-40, 0.5),
        ("f0", 0, 0, 95, 1e-40, 0.5),
        ("b0", 100, 0, 95, 1e-9, 0.3),
        ("c0", 100, 0, 95, 1e-9, 0.3),
        ("long0", 0, 0, 190, 1e-3, 0.3),
    ]
] + [row("pair", 5, 5, 190, 1e-20, source="chain_blast")]


@settings(deadline=None, max_examples=20)
@given(st.randoms(use_true_random=False))
def test_the_order_of_the_evidence_does_not_matter(rng: random.Random):
    def without_rows(found):
        domains = tuple(
            replace(one, evidence=tuple(replace(e, row=0) for e in one.evidence))
            for one in found.domains
        )
        return replace(found, domains=domains)

    shuffled = rng.sample(ROWS, len(ROWS))
    assert without_rows(annotation(200, *shuffled)) == without_rows(annotation(200, *ROWS))


def test_many_proteins_are_annotated_as_one_by_one():
    proteins = [Protein(name, "A" * 100, "") for name in ("p", "q", "r")]
    rows = [row("a0", 0, 0, 100, 1e-30, protein=name) for name in ("q", "p")]
    found = list(annotate_all(proteins, evidence_frame(rows), TABLES, DEFAULT))
    assert [one.protein for one in found] == ["p", "q", "r"]
    assert found[0] == annotation(100, row("a0", 0, 0, 100, 1e-30))
    assert found[2].outcome == "no_evidence"


def test_frames_of_evidence_have_the_same_types_with_and_without_rows():
    empty, full = empty_evidence(), evidence_frame(ROWS)
    assert tuple(empty.columns) == EVIDENCE_COLUMNS
    assert empty.dtypes.equals(full.dtypes)
