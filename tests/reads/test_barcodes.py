"""Correction of barcodes, and molecules sent to streams by them."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from blocks.errors import InputError
from tasks.reads.assembly import column
from tasks.reads.steps.barcodes import SEVERAL, BarcodeTable, Demultiplex, HammingCorrect
from tests.reads.blocks import (
    KINDS,
    around,
    block,
    places,
    regions,
    sequences,
    strings,
    texts,
    truths,
)

TABLES = {"b": {"ACGT": "one", "TTTT": "two", "TTCC": "two"}}


def start(step, *blocks, tables=TABLES, streams=None):
    kinds = {label: KINDS[type(tag)] for label, tag in blocks[0].tags.items()}
    given = dataclasses.replace(around(), barcodes=tables, tags=kinds, streams=streams or {0: ""})
    stage = step.build(given)
    account = stage.account()
    return [stage.run(each, account) for each in blocks], stage, account


def tagged(tag, count):
    return block(tags={"t": tag}, read1=sequences(*["ACGT"] * count))


def correct(on_no_match, most=1):
    return HammingCorrect(
        in_label="t", out_label="new", barcodes="b", max_hamming_distance=most,
        on_no_match=on_no_match,
    )  # fmt: skip


READ = strings("ACGT", "ACGA", "TTTC", "GGGG", None)
"""Exact, one mismatch, as near to TTTT as to TTCC, near to none, missing."""


@pytest.mark.parametrize(
    ("on_no_match", "expected", "present"),
    [
        ("remove", ["ACGT", "ACGT", "", "", ""], [1, 1, 0, 0, 0]),
        ("empty", ["ACGT", "ACGT", "", "", ""], [1, 1, 1, 1, 0]),
        ("keep", ["ACGT", "ACGT", "TTTC", "GGGG", ""], [1, 1, 1, 1, 0]),
    ],
)
def test_texts_are_corrected_to_the_one_barcode_that_is_nearest(on_no_match, expected, present):
    (done,), stage, account = start(correct(on_no_match), tagged(READ, 5))
    tag = done.tags["new"]
    assert (texts(tag.text), tag.present.tolist()) == (expected, [bool(each) for each in present])
    counts = {"exact": 1, "corrected": 1, "ambiguous": 1, "unmatched": 1}
    assert stage.finish([account]) == counts


def test_regions_keep_their_places_and_unmatched_ones_go():
    tag = regions([("read1", 0, 4, "ACGA"), ("read1", 4, 4, "GGGG")], [("read1", 0, 4, "GGGG")])
    (done,), *_ = start(correct("remove"), tagged(tag, 2))
    assert places(done.tags["new"]) == [[("read1", 0, 4, "ACGT")], []]
    (done,), *_ = start(correct("empty"), tagged(tag, 2))
    assert places(done.tags["new"])[1] == [("read1", 0, 4, "")]


def test_a_barcode_with_ambiguity_codes_accepts_its_bases():
    (done,), *_ = start(correct("remove"), tagged(strings("GAAA"), 1), tables={"b": {"GNAA": "x"}})
    assert texts(done.tags["new"].text) == ["GNAA"]


def test_a_missing_table_is_told_before_the_run():
    assert "no section [barcodes.b]" in correct("keep").problems(around())[0]


def test_the_corrected_tag_needs_a_name_of_its_own():
    with pytest.raises(ValidationError, match="same as in_label"):
        HammingCorrect(
            in_label="t", out_label="t", barcodes="b", max_hamming_distance=1, on_no_match="keep"
        )


@settings(max_examples=60)
@given(
    st.lists(st.text("ACGT", min_size=4, max_size=4), min_size=1, max_size=8, unique=True),
    st.lists(st.text("ACGTN", min_size=3, max_size=5), min_size=1, max_size=8),
    st.integers(0, 3),
)
def test_the_nearest_barcode_follows_its_definition(barcodes, values, most):
    table = BarcodeTable(barcodes)
    number, _ = table.nearest(column([value.encode() for value in values]), most)
    for value, got in zip(values, number.tolist(), strict=True):
        distances = [
            sum(a != b for a, b in zip(value, barcode, strict=True))
            if len(value) == len(barcode)
            else 99
            for barcode in barcodes
        ]
        least = min(distances)
        nearest = [n for n, distance in enumerate(distances) if distance == least]
        expected = -1 if least > most else SEVERAL if len(nearest) > 1 else nearest[0]
        assert got == expected


def by_barcode(unmatched=True):
    return Demultiplex(in_label="t", barcodes="b", output_unmatched=unmatched)


def test_each_label_is_a_stream_and_the_rest_is_unmatched():
    (done,), stage, account = start(by_barcode(), tagged(READ, 5))
    assert done.stream.tolist() == [1, 0, 0, 0, 0]
    (done,), *_ = start(by_barcode(), tagged(strings("TTCC", "TTTT", "ACGT", "A", None), 5))
    assert done.stream.tolist() == [2, 2, 1, 0, 0]
    assert stage.finish([account]) == {"no-barcode": 4, "one": 1, "two": 0}


def test_streams_are_named_and_the_unmatched_one_is_there_if_wanted():
    given = dataclasses.replace(around(), barcodes=TABLES)
    assert by_barcode().streams(given) == {0: "no-barcode", 1: "one", 2: "two"}
    assert by_barcode(unmatched=False).streams(given) == {1: "one", 2: "two"}


def test_two_steps_multiply():
    tags = {"t": strings("ACGT", "TTTT", "ACGT", "GGGG"), "yes": truths(True, False, False, True)}
    given = block(tags=tags, read1=sequences(*"ACGT"))
    (first,), *_ = start(by_barcode(), given)
    before = dataclasses.replace(around(), barcodes=TABLES)
    streams = by_barcode().streams(before)
    second = Demultiplex(in_label="yes")
    (done,), *_ = start(second, first, streams=streams)
    names = second.streams(dataclasses.replace(before, streams=streams))
    assert [names[bits] for bits in done.stream.tolist()] == [
        "one_yes=true", "two_yes=false", "one_yes=false", "no-barcode_yes=true",
    ]  # fmt: skip
    assert len(set(names)) == len(set(names.values())) == 6


def test_several_regions_match_barcodes_with_an_underscore():
    tag = regions([("read1", 0, 2, "GG"), ("read1", 2, 2, "AA")], [("read1", 0, 2, "GG")])
    (done,), *_ = start(by_barcode(), tagged(tag, 2), tables={"b": {"GN_AA": "x"}})
    assert done.stream.tolist() == [1, 0]


def test_a_run_in_which_no_barcode_matched_is_an_error():
    _, stage, account = start(by_barcode(), tagged(strings("GGGG"), 1))
    with pytest.raises(InputError, match="did not observe any matching barcodes"):
        stage.finish([account])


def test_whether_unmatched_molecules_are_written_must_be_said():
    given = dataclasses.replace(around(), barcodes=TABLES)
    assert "output_unmatched" in Demultiplex(in_label="t", barcodes="b").problems(given)[0]
    assert not Demultiplex(in_label="t").problems(given)


def test_counts_of_workers_add_up():
    blocks = [tagged(READ, 5)] * 2
    _, stage, one = start(correct("keep"), *blocks)
    _, _, other = start(correct("keep"), blocks[0])
    assert sum(stage.finish([one, other]).values()) == 12
    assert np.all([len(each) == 5 for each in blocks])
