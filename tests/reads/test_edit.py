import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from blocks.errors import InputError
from tasks.reads.block import Block
from tasks.reads.step import ReadError
from tasks.reads.steps.edit import CutEnd, CutStart, Postfix, Prefix, Truncate
from tasks.reads.steps.encodings import conversion
from tasks.reads.steps.letters import ConvertQuality, Lowercase, Uppercase
from tasks.reads.steps.rearrange import ReverseComplement, Swap
from tasks.reads.steps.regions import ExtractRegex
from tasks.reads.steps.rename import Rename
from tasks.reads.texts import COMPLEMENT, compact, enclosed, joined, translated
from tests.reads.blocks import (
    around,
    bases,
    block,
    column,
    names,
    numbers,
    places,
    qualities,
    regions,
    run,
    sequences,
    strings,
    texts,
    truths,
)

ANY = st.lists(st.binary(max_size=9), max_size=6)


def tagged(*molecules, **tags) -> Block:
    """Two reads of ten bases, with Location tags on them."""
    return block(
        read1=sequences("AACCGGTTAC", "AACCGGTTAC", qualities=["ABCDEFGHIJ"] * 2), tags=tags
    )


def test_cut_start_drops_bases_and_qualities_and_may_empty_a_read():
    done = run(CutStart(n=3), block(read1=sequences("ACGTT", "AC", qualities=["12345", "12"])))
    assert (bases(done), qualities(done)) == (["TT", ""], ["45", ""])


def test_cut_end_drops_bases_and_qualities_and_may_empty_a_read():
    done = run(CutEnd(n=3), block(read1=sequences("ACGTT", "AC", qualities=["12345", "12"])))
    assert (bases(done), qualities(done)) == (["AC", ""], ["12", ""])


def test_truncate_keeps_the_first_bases():
    done = run(Truncate(n=3), block(read1=sequences("ACGTT", "AC")))
    assert bases(done) == ["ACG", "AC"]


def test_only_the_named_segment_is_cut():
    before = block(read1=sequences("ACGT"), read2=sequences("ACGT"))
    done = run(CutStart(n=1, segment="read2"), before)
    assert (bases(done), bases(done, "read2")) == (["ACGT"], ["CGT"])
    assert bases(before, "read2") == ["ACGT"]  # what was handed in is as it was


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        (truths(True, False), ["GT", "ACGT"]),
        (strings("", None), ["GT", "ACGT"]),
        (numbers(float("nan"), 2.0), ["ACGT", "GT"]),
        (numbers(0.0, -1.0), ["ACGT", "GT"]),
        (regions(None, [("", -1, 2, "AC")]), ["ACGT", "GT"]),  # a hit without a place is a hit
    ],
)
def test_a_condition_asks_for_truth_or_presence_and_may_be_inverted(tag, expected):
    before = block(read1=sequences("ACGT", "ACGT"), tags={"t": tag})
    assert bases(run(CutStart(n=2, if_tag="t"), before)) == expected
    assert bases(run(CutStart(n=2, if_tag="!t"), before)) == expected[::-1]


def test_regions_shift_with_a_cut_at_the_start_and_lose_their_place_when_cut_into():
    hits = regions([("read1", 3, 2, "CG")], [("read1", 2, 2, "CC")])
    done = run(CutStart(n=3), tagged(hit=hits))
    assert places(done.tags["hit"]) == [[("read1", 0, 2, "CG")], [("", -1, 2, "CC")]]


def test_regions_behind_a_cut_at_the_end_lose_their_place():
    hits = regions([("read1", 6, 2, "TT")], [("read1", 7, 2, "TA")])
    for step in (CutEnd(n=2), Truncate(n=8)):
        done = run(step, tagged(hit=hits))
        assert places(done.tags["hit"]) == [[("read1", 6, 2, "TT")], [("", -1, 2, "TA")]]


def test_one_region_cut_takes_the_place_of_all_regions_of_that_molecule():
    hits = regions([("read1", 0, 2, "AA"), ("read1", 8, 2, "AC")], [("read1", 1, 1, "A")])
    done = run(Truncate(n=9), tagged(hit=hits))
    assert places(done.tags["hit"]) == [
        [("", -1, 2, "AA"), ("", -1, 2, "AC")],
        [("read1", 1, 1, "A")],
    ]


def test_regions_on_other_segments_and_of_other_molecules_stay():
    hits = regions([("read1", 0, 1, "A")], [("read2", 0, 1, "A")])
    pair = sequences("ACGT", "ACGT")
    before = block(read1=pair, read2=pair, tags={"hit": hits, "if": truths(False, True)})
    done = run(CutStart(n=1, segment="read1", if_tag="if"), before)
    assert places(done.tags["hit"]) == places(hits)


def test_prefix_and_postfix_glue_bases_with_their_qualities():
    before = block(read1=sequences("AC", "", qualities=["12", ""]))
    done = run(Postfix(seq="nn", qual="89"), run(Prefix(seq="GTN", qual="567"), before))
    assert bases(done) == ["GTNACnn", "GTNnn"]
    assert qualities(done) == ["5671289", "56789"]


def test_prefix_moves_regions_where_it_is_put():
    hits = regions([("read1", 1, 2, "AC")], [("read1", 1, 2, "AC")])
    before = tagged(hit=hits, when=truths(True, False))
    done = run(Prefix(seq="GG", qual="II", if_tag="when"), before)
    assert bases(done) == ["GGAACCGGTTAC", "AACCGGTTAC"]
    assert places(done.tags["hit"]) == [[("read1", 3, 2, "AC")], [("read1", 1, 2, "AC")]]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"seq": "X", "qual": "B"}, "invalid DNA base 'X'"),
        ({"seq": "A", "qual": "BB"}, "'seq' has 1 characters and 'qual' 2"),
        ({"seq": "A", "qual": "5", "encoding": "Solexa"}, "qual '5' is not Solexa"),
    ],
)
def test_what_cannot_be_glued_is_refused(given, message):
    with pytest.raises(ValidationError, match=re.escape(message)):
        Prefix(**given)


def test_reverse_complement_knows_iupac_and_case_and_leaves_other_letters():
    before = block(
        read1=sequences("ACGTURYKMBVDHNSWx", "acgtu", qualities=["0123456789ABCDEFG", "12345"])
    )
    done = run(ReverseComplement(), before)
    assert bases(done) == ["xWSNDHBVKMRYAACGT", "aacgt"]
    assert qualities(done) == ["GFEDCBA9876543210", "54321"]


def test_reverse_complement_turns_regions_with_their_texts():
    hits = regions([("read1", 1, 3, "ACC")], [("", -1, 2, "AC")])
    pair = sequences("AACCGGTTAC", "AACCGGTTAC")
    before = block(read1=pair, tags={"hit": hits, "when": truths(True, True)})
    done = run(ReverseComplement(if_tag="when"), before)
    assert bases(done)[0] == "GTAACCGGTT"
    assert places(done.tags["hit"]) == [[("read1", 6, 3, "GGT")], [("", -1, 2, "AC")]]


def test_swap_exchanges_whole_reads_and_the_regions_on_them():
    hits = regions([("read1", 0, 2, "AA")], [("read2", 1, 1, "C")])
    before = block(
        read1=[("a1", "AA", "II"), ("b1", "A", "I")],
        read2=[("a2", "C", "J"), ("b2", "CCC", "JJJ")],
        tags={"hit": hits, "when": truths(False, True)},
    )
    done = run(Swap(), before)
    assert (names(done), bases(done, "read2")) == (["a2", "b2"], ["AA", "A"])
    assert places(done.tags["hit"]) == [[("read2", 0, 2, "AA")], [("read1", 1, 1, "C")]]
    some = run(Swap(segment_a="read1", segment_b="read2", if_tag="when"), before)
    assert (names(some), qualities(some)) == (["a1", "b2"], ["II", "JJJ"])
    assert (names(some, "read2"), bases(some, "read2")) == (["a2", "b1"], ["C", "A"])
    assert places(some.tags["hit"]) == [[("read1", 0, 2, "AA")], [("read1", 1, 1, "C")]]


def test_swap_needs_two_different_segments():
    with pytest.raises(ValidationError, match="both segment_a and segment_b, or neither"):
        Swap(segment_a="read1")
    with pytest.raises(ValidationError, match="identical to segment_b"):
        Swap(segment_a="read1", segment_b="read1")
    assert "insufficient swap definition" in Swap().problems(around("a", "b", "c"))[0]
    assert not Swap().problems(around("a", "b"))


def test_a_step_without_a_segment_needs_a_single_one():
    assert CutStart(n=1).problems(around("a", "b")) == [
        "segment: missing; expected a segment: 'a', 'b'"
    ]
    assert "not valid here" in CutStart(n=1, segment="all").problems(around("a", "b"))[0]


def test_case_changes_in_sequences_names_and_tags():
    hits = regions([("read1", 0, 2, "AC")], [("read1", 1, 1, "C"), ("read1", 2, 1, "G")])
    reads = [("Read_A X", "ACGN", "IIII"), ("B", "ACGN", "IIII")]
    before = block(read1=reads, tags={"hit": hits, "text": strings("AB", None)})
    assert bases(run(Lowercase(target="read1"), before)) == ["acgn", "acgn"]
    assert bases(run(Uppercase(target="All"), run(Lowercase(target="all"), before)))[0] == "ACGN"
    named = run(Lowercase(target="name:read1"), before)
    assert (names(named), bases(named)) == (["read_a X", "b"], ["ACGN", "ACGN"])
    assert names(run(Lowercase(target="name:"), before)) == ["read_a X", "b"]
    done = run(Lowercase(target="tag:hit"), before)
    assert [p[3] for each in places(done.tags["hit"]) for p in each] == ["ac", "c", "g"]
    assert texts(run(Lowercase(target="tag:text"), before).tags["text"].text)[0] == "ab"


def test_rename_replaces_every_match_in_all_segments():
    before = block(read1=[("x/1", "A", "I")], read2=[("x/2", "A", "I")])
    done = run(Rename(search="(.)/([12])$", replacement="$1 $2"), before)
    assert (names(done), names(done, "read2")) == (["x 1"], ["x 2"])
    every = block(read1=[("abcabc", "A", "I")])
    assert names(run(Rename(search="b", replacement="${0}$$$9"), every)) == ["ab$cab$c"]
    odd = Rename(search="b(x)?", replacement=r"\n$1${2}$none|")
    assert names(run(odd, every)) == [r"a\n|ca\n|c"]
    named = Rename(search="(?<head>.)bc", replacement="<$head>")
    assert names(run(named, every)) == ["<a><a>"]


def test_rename_counts_molecules_from_their_place_in_the_input():
    step = Rename(search="^.*$", replacement="m{{READ_INDEX}}")
    assert names(run(step, block(read1=sequences("A", "C"), first=7))) == ["m7", "m8"]


def test_an_expression_that_takes_for_ever_is_told_with_its_read(monkeypatch):
    monkeypatch.setattr("tasks.reads.steps.patterns.LIMIT_S", 0.05)
    before = block(read1=[("b", "A", "I"), ("a" * 60 + "b", "A", "I")], first=7)
    told = "read 9 of read1 .'a+b'.: the regular expression takes longer than 0.05 s"
    with pytest.raises(ReadError, match=told):
        run(Rename(search="(a|aa)+$", replacement=""), before)
    with pytest.raises(ReadError, match=told):
        run(ExtractRegex(source="name:read1", out_label="t", search="(a|aa)+$"), before)


def test_rename_refuses_what_is_no_expression_in_one_line():
    with pytest.raises(ValidationError, match="is not a regular expression"):
        Rename(search="(", replacement="")


def test_qualities_are_converted_by_the_published_formula():
    before = block(read1=[("r", "ACGT", "!5I~")])
    assert qualities(run(ConvertQuality(**{"from": "Sanger", "to": "Illumina1.3"}), before)) == [
        "@Th~"
    ]
    assert qualities(run(ConvertQuality(**{"from": "Sanger", "to": "Solexa"}), before)) == [";Th~"]
    table = conversion("Solexa", "Sanger")
    assert [table[64 + q] - 33 for q in (-5, -2, 0, 3, 10, 40)] == [1, 2, 3, 5, 10, 40]


def test_converted_qualities_are_the_nearest_whole_ones():
    table = conversion("Sanger", "Solexa").astype(int)
    for quality in range(2, 63):
        exact = 10 * np.log10(10 ** (quality / 10) - 1)
        assert abs(table[33 + quality] - 64 - exact) <= 0.5


def test_conversion_refuses_qualities_of_another_encoding():
    step = ConvertQuality(**{"from": "Illumina1.3", "to": "Sanger"})
    with pytest.raises(InputError, match=r"read 3 of read1 \('r0'\): quality '!' is not Illumina"):
        run(step, block(read1=[("r0", "A", "!")], first=2))
    with pytest.raises(ValidationError, match="identical"):
        ConvertQuality(**{"from": "Sanger", "to": "Sanger"})


@settings(deadline=None)  # the first call compiles a kernel
@given(ANY, st.binary(max_size=3), st.binary(max_size=3), st.randoms())
def test_texts_are_rewritten_glued_and_joined_as_python_does_it(parts, front, back, random):
    given_texts = column(parts)
    rows = np.array([random.random() < 0.5 for _ in parts], np.bool_)
    reversed_ones = [
        part.translate(COMPLEMENT.tobytes())[::-1] if row else part
        for part, row in zip(parts, rows, strict=True)
    ]
    done = translated(given_texts, COMPLEMENT, rows, backwards=True)
    assert [done[n] for n in range(len(parts))] == reversed_ones
    done = enclosed(given_texts, front, back, rows)
    assert [done[n] for n in range(len(parts))] == [
        front + part + back if row else part for part, row in zip(parts, rows, strict=True)
    ]
    twice = joined([given_texts, compact(given_texts)])
    assert [twice[n] for n in range(2 * len(parts))] == parts + parts
