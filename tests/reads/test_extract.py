"""What is found in reads: patterns, qualities, tails, regions, regular expressions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.reads.alphabet import STANDS_FOR
from tasks.reads.steps.extract import (
    ExtractIUPAC,
    ExtractIUPACSuffix,
    ExtractIUPACWithIndel,
    ExtractLongestPolyX,
    ExtractLowQualityEnd,
    ExtractLowQualityStart,
    ExtractPolyTail,
    ExtractRegionsOfLowQuality,
)
from tasks.reads.steps.regions import ExtractRegex, ExtractRegion, ExtractRegions
from tests.reads.blocks import block, names, places, regions, run, sequences, strings, texts

READS = st.lists(st.text("ACGTN", max_size=30), min_size=1, max_size=6)


def found(step, *bases, **qualities):
    given = block(read1=sequences(*bases, **qualities))
    return places(run(step, given).tags["t"])


def iupac(search, anchor="Anywhere", most=0):
    return ExtractIUPAC(
        segment="read1", out_label="t", search=search, anchor=anchor, max_mismatches=most
    )


def test_a_pattern_is_found_where_it_stands_and_missing_elsewhere():
    assert found(iupac("TCA"), "GGTCAG", "GGG", "") == [[("read1", 2, 3, "TCA")], [], []]


def test_an_anchor_left_or_right_looks_there_only():
    assert found(iupac("AC", "Left"), "ACGG", "GACG") == [[("read1", 0, 2, "AC")], []]
    assert found(iupac("AC", "Right"), "GGAC", "GACG") == [[("read1", 2, 2, "AC")], []]


def test_anywhere_takes_the_fewest_mismatches_and_of_equals_the_leftmost():
    assert found(iupac("ACGT", most=2), "ACGGACGT", "ACTTACGG") == [
        [("read1", 4, 4, "ACGT")],
        [("read1", 0, 4, "ACTT")],
    ]


def test_the_first_pattern_that_hits_wins_even_where_a_later_one_fits_better():
    assert found(iupac(["GG", "AAAA"]), "AAAAGG") == [[("read1", 4, 2, "GG")]]


def test_ambiguity_codes_match_their_bases_in_both_cases_and_n_in_a_read_matches_n_only():
    assert found(iupac("RN", "Left"), "GN", "at", "CN", "NA") == [
        [("read1", 0, 2, "GN")],
        [("read1", 0, 2, "at")],
        [],
        [],
    ]


def differences(pattern, text):
    return sum(
        not (letter == "N" or base in STANDS_FOR[letter])
        for letter, base in zip(pattern, text, strict=True)
    )


@settings(max_examples=60)
@given(READS, st.text("ACGTNRY", min_size=1, max_size=6), st.integers(0, 3))
def test_the_pattern_search_follows_its_definition(reads, pattern, most):
    expected = []
    for read in reads:
        counts = [
            (differences(pattern, read[k : k + len(pattern)]), k)
            for k in range(len(read) - len(pattern) + 1)
        ]
        best = min(counts, default=(most + 1, 0))
        hit = [("read1", best[1], len(pattern), read[best[1] :][: len(pattern)])]
        expected.append(hit if best[0] <= most else [])
    assert found(iupac(pattern, most=most), *reads) == expected


def suffix(search, shortest, most=0):
    return ExtractIUPACSuffix(
        segment="read1", out_label="t", search=search, min_length=shortest, max_mismatches=most
    )


def test_the_longest_beginning_that_ends_the_read_is_found():
    assert found(suffix("AGATC", 2), "CCCAGA", "CCAGATC", "CCA", "AG") == [
        [("read1", 3, 3, "AGA")],
        [("read1", 2, 5, "AGATC")],
        [],
        [("read1", 0, 2, "AG")],
    ]


def test_a_suffix_may_hold_mismatches_whatever_its_length():
    assert found(suffix("AGATC", 2, 1), "CCCATA") == [[("read1", 3, 3, "ATA")]]


def test_a_suffix_cannot_be_asked_to_be_longer_than_the_pattern():
    with pytest.raises(ValidationError, match=r"min_length is 6; expected at most .* \(5\)"):
        suffix("AGATC", 6)


def gapped(search, anchor="Anywhere", mismatches=0, gaps=1, edits=None):
    return ExtractIUPACWithIndel(
        segment="read1", out_label="t", search=search, anchor=anchor,
        max_mismatches=mismatches, max_indel_bases=gaps, max_total_edits=edits,
    )  # fmt: skip


def test_one_inserted_or_deleted_base_is_tolerated():
    assert found(gapped("AGTC"), "ACGTTAGGTCGA", "ACGTTAGCGA", "ACGTTAGTCGAA", "ACGTTAAAAAAA") == [
        [("read1", 5, 5, "AGGTC")],
        [("read1", 5, 3, "AGC")],
        [("read1", 5, 4, "AGTC")],
        [],
    ]


def test_an_alignment_at_an_anchor_reaches_that_end_of_the_read():
    assert found(gapped("AGTC", "Left"), "AGGTCTTTT", "TAGTC", "GTC", "TTAGTC") == [
        [("read1", 0, 5, "AGGTC")],
        [("read1", 0, 5, "TAGTC")],
        [("read1", 0, 3, "GTC")],
        [],
    ]
    assert found(gapped("AGTC", "Right"), "TTAGTTC", "AGTCTT") == [[("read1", 2, 5, "AGTTC")], []]


def test_the_limit_of_all_edits_counts_mismatches_and_gaps_together():
    assert found(gapped("ACGTACGT", mismatches=1, gaps=1), "ACCTACAGT") != [[]]
    assert found(gapped("ACGTACGT", mismatches=1, gaps=1, edits=1), "ACCTACAGT") == [[]]


@settings(max_examples=60)
@given(st.text("ACGT", max_size=12), st.text("ACGT", min_size=1, max_size=5), st.integers(0, 2))
def test_a_gapped_search_finds_something_exactly_if_the_edit_distance_allows(read, pattern, most):
    def distance(text):
        row = list(range(len(text) + 1))
        for letter in pattern:
            row, old = [row[0] + 1], row
            for k, base in enumerate(text):
                row.append(min(old[k] + (letter != base), old[k + 1] + 1, row[k] + 1))
        return row[-1]

    parts = [read[a:b] for a in range(len(read)) for b in range(a + 1, len(read) + 1)]
    possible = any(distance(part) <= most for part in parts)
    hit = found(gapped(pattern, mismatches=most, gaps=most, edits=most), read)[0]
    assert bool(hit) == possible
    if hit:
        assert distance(hit[0][3]) <= most


def test_low_quality_ends_are_runs_below_the_limit():
    low = {"segment": "read1", "out_label": "t", "min_qual": "C"}
    marks = {"qualities": ["!!II!", "IIIII", "!!!!!"]}
    assert found(ExtractLowQualityStart(**low), *["ACGTA"] * 3, **marks) == [
        [("read1", 0, 2, "AC")], [], [("read1", 0, 5, "ACGTA")],
    ]  # fmt: skip
    assert found(ExtractLowQualityEnd(**low), *["ACGTA"] * 3, **marks) == [
        [("read1", 4, 1, "A")], [], [("read1", 0, 5, "ACGTA")],
    ]  # fmt: skip


def test_all_runs_of_low_quality_are_found_if_they_are_long_enough():
    step = ExtractRegionsOfLowQuality(
        segment="read1", out_label="t", min_quality=ord("C"), min_length=2
    )
    assert found(step, "ACGTACGT", "ACGTACGT", qualities=["!!I!I!!!", "IIIIIIII"]) == [
        [("read1", 0, 2, "AC"), ("read1", 5, 3, "CGT")],
        [],
    ]


def poly(kind, base, shortest, rate=0.0, row=3):
    return kind(
        segment="read1", out_label="t", base=base, min_length=shortest,
        max_mismatch_rate=rate, max_consecutive_mismatches=row,
    )  # fmt: skip


def test_a_tail_is_as_long_as_the_share_of_other_letters_allows():
    step = poly(ExtractPolyTail, "A", 3, 0.34, 2)
    assert found(step, "AAATAA", "GGGGAA", "AA") == [[("read1", 0, 6, "AAATAA")], [], []]
    assert found(poly(ExtractPolyTail, "A", 3), "AAATAA") == [[]]


def test_any_base_means_the_longest_tail():
    assert found(poly(ExtractPolyTail, ".", 3, 0.2, 2), "AAATAACCCCCC", "TGNNNN") == [
        [("read1", 6, 6, "CCCCCC")],
        [("read1", 2, 4, "NNNN")],
    ]


def test_a_tail_of_just_the_least_length_counts():
    assert found(poly(ExtractPolyTail, "A", 3), "GGAAA", "GGAA") == [[("read1", 2, 3, "AAA")], []]


def test_a_run_at_the_very_end_is_found_and_short_reads_are_no_trouble():
    assert found(poly(ExtractLongestPolyX, "A", 3, row=1), "GGAAA", "AA", "") == [
        [("read1", 2, 3, "AAA")],
        [],
        [],
    ]


def test_of_equally_long_runs_the_leftmost_counts_whatever_its_base():
    assert found(poly(ExtractLongestPolyX, ".", 3, row=1), "CCCAAATTT") == [
        [("read1", 0, 3, "CCC")]
    ]


@settings(max_examples=80)
@given(READS, st.sampled_from([0.0, 0.2, 0.3, 0.5]), st.integers(1, 4), st.integers(1, 3))
def test_the_longest_run_follows_its_definition(reads, rate, shortest, row):
    def best(read):
        fitting = [
            (-(b - a), a)
            for a in range(len(read))
            for b in range(a + shortest, len(read) + 1)
            if sum(base != "A" for base in read[a:b]) / (b - a) <= rate
            and "X" * row not in "".join("." if base == "A" else "X" for base in read[a:b])
        ]
        return (
            [
                (
                    "read1",
                    min(fitting)[1],
                    -min(fitting)[0],
                    read[min(fitting)[1] :][: -min(fitting)[0]],
                )
            ]
            if fitting
            else []
        )

    step = poly(ExtractLongestPolyX, "A", shortest, rate, row)
    assert found(step, *reads) == [best(read) for read in reads]


def region(source="read1", start=0, length=2, anchor="Start"):
    return {"source": source, "start": start, "length": length, "anchor": anchor}


def test_a_region_is_missing_where_it_reaches_beyond_the_read():
    step = ExtractRegion(out_label="t", **region(start=1, length=3))
    assert found(step, "ACGT", "ACG", "") == [[("read1", 1, 3, "CGT")], [], []]


def test_a_region_from_the_end_counts_backwards():
    step = ExtractRegion(out_label="t", **region(start=-2, anchor="End"))
    assert found(step, "ACGT", "A") == [[("read1", 2, 2, "GT")], []]


def test_several_regions_are_missing_together():
    step = ExtractRegions(out_label="t", regions=[region(), region("read2", 1, 2)])
    given = block(read1=sequences("ACGT", "TTTT"), read2=sequences("GGC", "GG"))
    assert places(run(step, given).tags["t"]) == [
        [("read1", 0, 2, "AC"), ("read2", 1, 2, "GC")],
        [],
    ]


def test_a_region_beside_a_tag_lies_on_the_read_of_that_tag():
    tag = regions([("read2", 3, 2, "xx")], [], [("", -1, 2, "xx")], [("read1", 1, 1, "C")])
    given = block(
        tags={"a": tag}, read1=sequences(*["ACGT"] * 4), read2=sequences(*["GGCATTA"] * 4)
    )
    step = ExtractRegion(out_label="t", **region("tag:a", -1, 3))
    expected = [[("read2", 2, 3, "CAT")], [], [], [("read1", 0, 3, "ACG")]]
    assert places(run(step, given).tags["t"]) == expected


def test_a_region_beside_a_tag_that_lost_its_place_is_missing():
    given = block(tags={"a": regions([("", -1, 2, "xx")])}, read1=sequences("ACGT"))
    step = ExtractRegion(out_label="t", **region("tag:a", 0, 2, "End"))
    assert places(run(step, given).tags["t"]) == [[]]


def test_long_patterns_and_many_mismatches_are_found_as_well():
    long = "ACGTTGCA" * 9
    assert found(iupac(long), "GG" + long + "T") == [[("read1", 2, 72, long)]]
    assert found(iupac("A" * 12, most=9), "CCCCAAACCCCCCC") == [[("read1", 0, 12, "CCCCAAACCCCC")]]


def test_regions_of_names_and_texts_are_texts():
    given = block(tags={"s": strings("Read1", None)}, read1=[("ab", "A", "I"), ("cd", "C", "I")])
    step = ExtractRegions(
        out_label="t", regions=[region("tag:s", -1, 1, "End"), region("name:read1", 0, 2)]
    )
    tag = run(step, given).tags["t"]
    assert texts(tag.text) == ["1ab", ""]
    assert tag.present.tolist() == [True, False]


def test_a_regular_expression_gives_its_first_match_and_the_text_of_its_groups():
    step = ExtractRegex(source="read1", out_label="t", search="C(G+)", replacement="${1}_$0$$")
    assert found(step, "ACGGT", "TTTT") == [[("read1", 1, 3, "GG_CGG$")], []]


def test_a_regular_expression_on_names_gives_texts():
    given = block(read1=[("r:AB:1", "A", "I"), ("none", "C", "I")])
    step = ExtractRegex(source="name:read1", out_label="t", search=":([A-Z]+):", replacement="$1")
    tag = run(step, given).tags["t"]
    assert (texts(tag.text), tag.present.tolist()) == (["AB", ""], [True, False])
    assert step.gives()[0].kind == "string"


def test_a_group_reference_that_means_something_else_is_refused():
    with pytest.raises(ValidationError, match=r"'\$1_' style group reference"):
        ExtractRegex(source="read1", out_label="t", search="a", replacement="$1_$2")


def test_no_step_changes_the_block_it_was_given():
    given = block(read1=sequences("ACGT"))
    run(iupac("CG"), given)
    assert (names(given), dict(given.tags)) == (["r0"], {})


def test_a_block_without_molecules_passes():
    empty = block(read1=sequences("ACGT")).take(np.zeros(1, np.bool_))
    assert len(run(iupac("CG"), empty).tags["t"].first) == 1
    assert len(run(ExtractRegion(out_label="t", **region()), empty).tags["t"].first) == 1
