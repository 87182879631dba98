"""Molecules that were seen before, or are in another file."""

import dataclasses
import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from blocks.errors import InputError
from tasks.reads import distinct
from tasks.reads.assembly import column
from tasks.reads.distinct import DistinctTexts
from tasks.reads.kernels import hashing
from tasks.reads.steps.duplicates import Fingerprints, TagDuplicates, TagOtherFile, marks_of
from tests.reads.blocks import around, block, regions, run, run_all, sequences, strings

FIRST, SECOND = int(hashing.FIRST), int(hashing.SECOND)


def duplicates(source="All"):
    return TagDuplicates(out_label="dup", source=source, false_positive_rate=0)


def flags(done):
    return done.tags["dup"].value.tolist()


def test_the_first_of_equals_is_no_duplicate_also_over_blocks():
    first = block(read1=sequences("A", "C", "A", ""))
    second = block(read1=sequences("", "C", "G"))
    assert [flags(done) for done in run_all(duplicates("read1"), first, second)] == [
        [False, False, True, False],
        [True, True, False],
    ]


def test_all_segments_must_be_equal_and_where_they_end_counts():
    given = block(read1=sequences("AC", "A", "AC"), read2=sequences("G", "CG", "G"))
    assert flags(run(duplicates(), given)) == [False, False, True]


def test_names_count_up_to_their_comment():
    given = block(read1=[("a 1", "A", "I"), ("a 2", "C", "I"), ("b", "A", "I")])
    assert flags(run(duplicates("name:read1"), given)) == [False, True, False]


def test_missing_tags_are_no_duplicates():
    given = block(tags={"t": strings("x", None, "x", None)}, read1=sequences(*"ACGT"))
    assert flags(run(duplicates("tag:t"), given)) == [False, False, True, False]


def test_regions_count_each_by_itself():
    tag = regions(
        [("read1", 0, 2, "AC")],
        [("read1", 0, 1, "A"), ("read1", 1, 1, "C")],
        [("read1", 0, 2, "AC")],
    )
    given = block(tags={"t": tag}, read1=sequences(*"ACG"))
    assert flags(run(duplicates("tag:t"), given)) == [False, False, True]


def test_streams_do_not_know_of_each_other():
    given = block(read1=sequences("A", "A", "A"))
    given = dataclasses.replace(given, stream=np.array([1, 2, 1]))
    assert flags(run(duplicates(), given)) == [False, False, True]


def test_a_rate_of_false_positives_needs_a_seed_and_lies_below_one():
    with pytest.raises(ValidationError, match="seed is required"):
        TagDuplicates(out_label="d", false_positive_rate=0.1)
    for wrong in (-0.1, 1.0):
        with pytest.raises(ValidationError, match="false_positive_rate"):
            TagDuplicates(out_label="d", false_positive_rate=wrong, seed=1)


@settings(max_examples=40)
@given(st.lists(st.binary(max_size=20), max_size=60))
def test_duplicates_follow_their_definition(values):
    seen = set()
    expected = [value in seen or bool(seen.add(value)) for value in values]
    marks = marks_of([column(values)]) if values else np.zeros(0, np.uint64)
    found = Fingerprints().add(marks, np.ones(len(values), np.bool_))
    assert found.tolist() == expected


def fingerprint_by_definition(text):
    def mixed(state, word, factor):
        state = (state ^ word) * factor % 2**64
        state = (state ^ state >> 32) * FIRST % 2**64
        return state ^ state >> 29

    words = [int.from_bytes(text[k : k + 8], "little") for k in range(0, len(text), 8)]
    words += [0] * (len(text) % 8 == 0)  # the rest, which is empty
    pair = []
    for factor in (FIRST, SECOND):
        state = 0
        for word in [*words, len(text)]:
            state = mixed(state, word, factor)
        pair.append(state)
    return [pair[0] or 1, pair[1]]


@settings(max_examples=40)
@given(st.lists(st.binary(max_size=30), min_size=1, max_size=10))
def test_fingerprints_follow_their_definition(values):
    expected = [word for value in values for word in fingerprint_by_definition(value)]
    assert marks_of([column(values)]).tolist() == expected


def test_a_set_grows_and_keeps_what_it_holds():
    marks = marks_of([column([str(n).encode() for n in range(50_000)])])
    held = Fingerprints()
    for part in np.split(marks, 10):
        assert not held.add(part, np.ones(len(part) // 2, np.bool_)).any()
    assert len(held) == 50_000
    assert held.having(marks).all()
    assert not held.having(marks_of([column([b"x", b"-1"])])).any()


def test_estimates_do_not_depend_on_who_saw_what(monkeypatch):
    monkeypatch.setattr(distinct, "CAPACITY", 200)
    monkeypatch.setattr(distinct, "PENDING", 50)
    marks = marks_of([column([str(n % 3000).encode() for n in range(6000)])])[::2].copy()
    results = set()
    for workers in (1, 2, 7):
        counts = [DistinctTexts() for _ in range(workers)]
        for n, part in enumerate(np.array_split(marks, 40)):
            counts[n % workers].add(part)
        whole = DistinctTexts.merged(counts)
        assert whole.level >= 4
        results.add(whole.duplicates())
    (result,) = results
    assert abs(result - 3000) < 600


def test_few_texts_are_counted_exactly():
    counts = DistinctTexts()
    counts.add(marks_of([column([b"A", b"C", b"A", b"A"])])[::2].copy())
    assert counts.duplicates() == 2


OTHER = "@one x\nAAAA\n+\nIIII\n@two/1\nCCCC\n+\nIIII\n"


def other(source, **given):
    return TagOtherFile(
        out_label="there", source=source, filename="other.fq", false_positive_rate=0, **given
    )


def there(step, folder, given):
    return run(step, given, folder=folder).tags["there"].value.tolist()


def test_sequences_names_and_tags_are_looked_for_in_the_other_file(tmp_path):
    (tmp_path / "other.fq").write_text(OTHER)
    reads = [("one y", "CCCC", "IIII"), ("two/1", "CCC", "III"), ("three", "AAAA", "IIII")]
    given = block(tags={"t": strings("AAAA", None, "A")}, read1=reads)
    assert there(other("read1"), tmp_path, given) == [True, False, True]
    assert there(other("tag:t"), tmp_path, given) == [True, False, False]
    assert there(other("name:read1"), tmp_path, given) == [False, True, False]
    cut = other("name:read1", other_read_name_end_char=" ")
    assert there(cut, tmp_path, given) == [True, True, False]


def test_the_other_file_may_be_compressed_fasta(tmp_path):
    (tmp_path / "other.fq").write_bytes(gzip.compress(b">one\nACGT\n"))
    assert there(other("read1"), tmp_path, block(read1=sequences("ACGT", "A"))) == [True, False]


def test_another_file_without_reads_is_an_error(tmp_path):
    (tmp_path / "other.fq").write_bytes(b"")
    with pytest.raises(InputError, match=r"other\.fq"):
        other("read1").build(around(folder=tmp_path))


def test_a_bam_file_needs_to_be_told_which_reads_count():
    with pytest.raises(ValidationError, match="include_mapped is missing"):
        TagOtherFile(out_label="t", source="read1", filename="x.bam", false_positive_rate=0)
    with pytest.raises(ValidationError, match="both false"):
        TagOtherFile(
            out_label="t", source="read1", filename="x.bam", false_positive_rate=0,
            include_mapped=False, include_unmapped=False,
        )  # fmt: skip
