import gzip
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from blocks.errors import InputError
from tasks.reads.block import Block
from tasks.reads.kernels import counts
from tasks.reads.steps.calc import (
    ERROR,
    CalcBaseContent,
    CalcComplexity,
    CalcExpectedError,
    CalcGCContent,
    CalcLength,
    CalcNCount,
    CalcQualifiedBases,
    changes,
    marked,
    weighed,
)
from tasks.reads.steps.kmers import CODES, CalcKmers, known_kmers
from tests.reads.blocks import block, column, run, sequences

READS = st.lists(st.text("ACGTNacgtn", max_size=12), min_size=1, max_size=6)


def value(step, before: Block, folder=None) -> list[float]:
    done = run(step, before) if folder is None else run(step, before, folder=folder)
    return done.tags["x"].value.tolist()


def test_length_is_of_a_segment_or_of_all_together():
    before = block(read1=sequences("ACG", ""), read2=sequences("A", "AC"))
    assert value(CalcLength(out_label="x", segment="read1"), before) == [3, 0]
    assert value(CalcLength(out_label="x", segment="all"), before) == [4, 2]


def test_n_count_and_gc_content_in_any_case():
    before = block(read1=sequences("ACGTNn", "gcN", "NN", ""))
    assert value(CalcNCount(out_label="x"), before) == [2, 1, 2, 0]
    assert value(CalcGCContent(out_label="x"), before) == [50, 100, 0, 0]
    assert value(CalcGCContent(out_label="x", relative=False), before) == [2, 2, 0, 0]


def test_base_content_ignores_letters_and_pools_segments():
    before = block(read1=sequences("AATGN"), read2=sequences("GGGGG"))

    def content(**given):
        return value(CalcBaseContent(out_label="x", bases_to_count="AT", **given), before)

    assert content(segment="read1", bases_to_ignore="n") == [75]
    assert content(segment="read1", bases_to_ignore="NG") == [100]
    assert content(segment="All") == [30]
    assert content(segment="All", relative=False) == [3]
    with pytest.raises(ValidationError, match="relative = true"):
        CalcBaseContent(out_label="x", bases_to_count="A", bases_to_ignore="N", relative=False)
    with pytest.raises(ValidationError, match="'1' is no base"):
        CalcBaseContent(out_label="x", bases_to_count="A1")


@pytest.mark.parametrize(
    ("operator", "expected"),
    [("Above", 1), ("Below", 2), ("AboveOrEqual", 3), ("BelowOrEqual", 4)],
)
def test_qualified_bases_compare_bytes(operator, expected):
    before = block(read1=[("r", "ACGTA", "ABCCD")])
    for threshold in ("C", 67):
        step = CalcQualifiedBases(out_label="x", threshold=threshold, operator=operator)
        assert value(step, before) == [expected]


def test_expected_error_is_the_sum_or_the_greatest_over_all_segments():
    before = block(read1=[("r", "AC", "!+")], read2=[("r", "A", "5")])
    assert value(CalcExpectedError(out_label="x", aggregate="Sum"), before) == [1 + 0.1 + 0.01]
    step = CalcExpectedError(out_label="x", aggregate="Max", segment="read2")
    assert value(step, before) == [0.01]


def test_expected_error_refuses_other_encodings_and_names_the_read():
    step = CalcExpectedError(out_label="x", aggregate="Sum")
    with pytest.raises(InputError, match=r"read 6 of read1 \('r1'\): .* requires PHRED\+33"):
        run(step, block(read1=[("r0", "A", "I"), ("r1", "A", " ")], first=4))


def test_complexity_is_the_share_of_changes_and_does_not_cross_segments():
    before = block(read1=sequences("AACA", "A", ""), read2=sequences("CC", "G", "AC"))
    assert value(CalcComplexity(out_label="x", segment="read1"), before) == [2 / 3, 0, 0]
    assert value(CalcComplexity(out_label="x", segment="All"), before) == [2 / 4, 0, 1]


def naive_kmers(references, size, least, both):
    seen: dict[str, int] = {}
    turned = str.maketrans("ACGT", "TGCA")
    for text in references:
        for begin in range(len(text) - size + 1):
            kmer = text[begin : begin + size].upper()
            if set(kmer) <= set("ACGT"):
                for one in [kmer, kmer.translate(turned)[::-1]] if both else [kmer]:
                    seen[one] = seen.get(one, 0) + 1
    return {kmer for kmer, count in seen.items() if count >= least}


@settings(deadline=None)  # the first call compiles a kernel
@given(READS, READS, st.integers(1, 5), st.integers(1, 3), st.booleans())
def test_kmers_are_those_of_the_definition(references, reads, size, least, both):
    known = naive_kmers(references, size, least, both)
    table = known_kmers([column(references)], size, least, both=both)
    assert table.count(column(reads)).tolist() == [
        sum(read[n : n + size].upper() in known for n in range(len(read) - size + 1))
        for read in reads
    ]


@pytest.mark.parametrize("size", [31, 32, 40])
def test_long_kmers_are_found_too(size):
    base = "ACGTTGCAAGCTTACCGATAGGCTAACTGATTTGGCATCC"
    turned = base.translate(str.maketrans("ACGT", "TGCA"))[::-1]
    table = known_kmers([column([base])], size, 1, both=True)
    assert table.count(column([base, turned, "T" + base[1:]])).tolist() == [
        41 - size,
        41 - size,
        40 - size,
    ]


def test_calc_kmers_reads_its_files_beside_the_configuration(tmp_path):
    (tmp_path / "a.fa").write_text(">one\nATGC\nATGN\n>two\nTTTT\n")
    (tmp_path / "b.fq.gz").write_bytes(gzip.compress(b"@r\nGGGG\n+\nIIII\n"))
    step = CalcKmers(out_label="x", files=["a.fa", "b.fq.gz"], k=4, count_reverse_complement=False)
    before = block(read1=sequences("ATGCATGGGG", "aaaa", "TAC"))
    assert value(step, before, tmp_path) == [5, 0, 0]
    with pytest.raises(ValidationError, match="at least one filename"):
        CalcKmers(out_label="x", files=[], k=4, count_reverse_complement=False)


@settings(deadline=None)  # the first call compiles a kernel
@given(st.lists(st.binary(max_size=9), min_size=1, max_size=6), st.binary(max_size=4))
def test_counts_are_those_of_the_definition(parts, letters):
    given_texts = column(parts)
    marks = np.isin(np.arange(256), list(letters))
    assert marked(given_texts, marks).tolist() == [sum(b in letters for b in p) for p in parts]
    assert changes(given_texts).tolist() == [sum(a != b for a, b in pairwise(p)) for p in parts]
    sums = weighed(given_texts, ERROR, greatest=False)
    assert sums.tolist() == [float(sum((ERROR[b] for b in p), 0.0)) for p in parts]
    greatest = weighed(given_texts, ERROR, greatest=True)
    assert greatest.tolist() == [max((ERROR[b] for b in p), default=0.0) for p in parts]


@settings(deadline=None)  # the first call compiles a kernel
@given(st.lists(st.binary(max_size=9), min_size=1, max_size=6))
def test_kernels_give_what_their_plain_twins_give(parts):
    texts = column(parts)
    arguments = (texts.buffer, texts.start, texts.length)
    marks = np.arange(256) < 128
    assert counts.first_unmarked(*arguments, marks) == counts.first_unmarked.plain(
        *arguments, marks
    )
    words = np.zeros((2, 200), np.uint64)
    found = counts.list_kmers(*arguments, 2, CODES, True, words[0])
    with np.errstate(over="ignore"):
        assert counts.list_kmers.plain(*arguments, 2, CODES, True, words[1]) == found
    assert (words[0] == words[1]).all()


def test_error_of_a_quality_is_the_phred_definition():
    assert [ERROR[33], ERROR[43], ERROR[63]] == pytest.approx([1, 0.1, 0.001])
    assert math.isclose(ERROR[126], 10**-9.3)
