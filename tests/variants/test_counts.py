"""Reads become variants: names, translation, what is left out and why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.errors import InputError
from tasks.variants.counts import AMBIGUOUS, MANY_CHANGES, OTHER_LENGTH, counted
from tasks.variants.region import (
    RESIDUE_OF,
    WILD_TYPE,
    name_of,
    region_of,
    sequence_of,
    substitutions,
    translated,
)

CODING = "ATGAAAGCTTGGCATTAA"  # M K A W H stop
REGION = region_of(CODING, 2, 9)  # K A W


def test_the_region_is_cut_out_of_the_coding_sequence():
    assert (REGION.protein, REGION.dna, REGION.residues) == ("MKAWH", "AAAGCTTGG", "KAW")


@pytest.mark.parametrize(
    ("coding", "first", "length", "told"),
    [
        ("ATGXAA", 1, 3, "base 4: 'X'; expected A, C, G or T"),
        ("ATGAA", 1, 3, "5 bases; expected whole codons"),
        ("ATGTAAAAA", 1, 3, "residue 2: a stop codon; expected it at the end only"),
        (CODING, 2, 10, "length_nt: 10; expected a multiple of 3"),
        (CODING, 4, 9, "ends at residue 6; expected at most 5"),
        ("", 1, 3, "0 bases; expected whole codons"),
    ],
)
def test_a_parent_or_region_that_cannot_be_is_one_line(coding, first, length, told):
    with pytest.raises(InputError, match=told):
        region_of(coding, first, length)


def test_reads_are_counted_by_protein_variant_and_the_rest_by_reason():
    found = counted(
        {
            "AAAGCTTGG": 5,
            "AAGGCTTGG": 2,  # silent
            "AAAGTTTGG": 3,  # A3V
            "AAATAATGG": 1,  # a stop
            "GAAGTTCAT": 4,  # three substitutions
            "AAAGCTTGN": 6,
            "AAAGCT": 7,
        },
        REGION,
        max_substitutions=2,
    )
    assert found.counts == {WILD_TYPE: 7, "A3V": 3, "A3*": 1}
    assert found.lost == {MANY_CHANGES: 4, AMBIGUOUS: 6, OTHER_LENGTH: 7}


@given(
    st.dictionaries(st.text("ACGTN", min_size=7, max_size=10), st.integers(1, 99)),
    st.integers(1, 3),
)
def test_no_read_is_lost_without_a_reason(texts, most):
    found = counted(texts, REGION, most)
    assert sum(found.counts.values()) + sum(found.lost.values()) == sum(texts.values())


@given(st.lists(st.sampled_from(sorted(RESIDUE_OF)), min_size=3, max_size=3))
def test_a_name_tells_the_sequence(codons):
    residues = translated("".join(codons))
    name = name_of(residues, REGION)
    assert len(substitutions(name)) == sum(a != b for a, b in zip(residues, "KAW", strict=True))
    assert sequence_of(name, REGION.protein) == f"M{residues}H".split("*")[0]


def test_the_code_is_the_standard_one():
    from Bio.Seq import translate

    assert all(translate(codon) == residue for codon, residue in RESIDUE_OF.items())
    assert len(RESIDUE_OF) == 64
