"""Reports: counts, lengths, bases, duplicates, oligos, histograms."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.reads.steps import report
from tasks.reads.steps.report import Report
from tests.reads.blocks import KINDS, around, block, numbers, regions, sequences, strings, truths


def reported(step, *blocks, streams=None, workers=1):
    kinds = {label: KINDS[type(tag)] for label, tag in blocks[0].tags.items()}
    given = around(*blocks[0].segments)
    given = dataclasses.replace(given, tags=kinds, streams=streams or {0: ""})
    stage = step.build(given)
    accounts = [stage.account() for _ in range(workers)]
    for n, each in enumerate(blocks):
        assert stage.run(each, accounts[n % workers]) is each
    return stage.finish(accounts)


ALL = {
    "base_statistics": True, "length_distribution": True,
    "duplicate_count_per_read": True, "duplicate_count_per_fragment": True,
}  # fmt: skip


def test_everything_is_counted_by_segment_and_position():
    given = block(read1=sequences("ACGN", "AC", "AC", qualities=["+5?I", "!~", "!~"]))
    found = reported(Report(**ALL), given)
    statistics = found["read1"].pop("base_statistics")
    assert found == {
        "molecule_count": 3,
        "fragment_duplicate_count": 1,
        "read1": {"length_distribution": [0, 0, 2, 0, 1], "duplicate_count": 1},
    }
    errors = statistics.pop("expected_errors_from_quality_curve")
    assert errors == pytest.approx([2.1, 0.01 + 2 * 10**-9.3, 0.001, 0.0001], rel=1e-12)
    assert statistics == {
        "total_bases": 8,
        "q20_bases": 5,
        "q30_bases": 4,
        "gc_bases": 4,
        "per_position_counts": {
            "a": [3, 0, 0, 0], "c": [0, 3, 0, 0], "g": [0, 0, 1, 0], "t": [0, 0, 0, 0],
            "n": [0, 0, 0, 1],
        },
    }  # fmt: skip


def test_lower_case_bases_count_as_bases():
    found = reported(Report(base_statistics=True), block(read1=sequences("acgtx")))
    counts = found["read1"]["base_statistics"]["per_position_counts"]
    assert [sum(counts[base]) for base in "acgtn"] == [1] * 5


def test_nothing_is_reported_that_was_not_asked_for():
    assert reported(Report(count=False, name="x"), block(read1=sequences("A"))) == {}


def test_streams_have_a_report_each():
    given = dataclasses.replace(
        block(tags={"t": truths(True, False, True)}, read1=sequences("A", "A", "CA")),
        stream=np.array([1, 2, 2]),
    )
    step = Report(length_distribution=True, count_oligos=["C"], tag_histograms=["t"])
    assert reported(step, given, streams={0: "no-barcode", 1: "x", 2: "y"}) == {
        "no-barcode": {"molecule_count": 0, "read1": {"length_distribution": []}},
        "x": {"molecule_count": 1, "read1": {"length_distribution": [0, 1]}},
        "y": {"molecule_count": 2, "read1": {"length_distribution": [0, 1, 1]}},
        "count_oligos": {"no-barcode": {"C": 0}, "x": {"C": 0}, "y": {"C": 1}},
        "histogram": {
            "no-barcode": {"t": {"true": 0, "false": 0}},
            "x": {"t": {"true": 1, "false": 0}},
            "y": {"t": {"true": 1, "false": 1}},
        },
    }


def test_oligos_count_reads_not_occurrences_in_the_chosen_segments():
    given = block(read1=sequences("TGTG", "ATG", "AT"), read2=sequences("TG", "A", "A"))
    counted = {"count_oligos": ["TG", "AT"], "count": False}
    assert reported(Report(**counted), given)["count_oligos"] == {"TG": 3, "AT": 2}
    only = Report(**counted, count_oligos_segment="read2")
    assert reported(only, given)["count_oligos"] == {"TG": 1, "AT": 0}


def test_an_oligo_is_made_of_bases():
    for wrong in ("", "ACX"):
        with pytest.raises(ValidationError, match="count_oligos"):
            Report(count_oligos=[wrong])


def test_histograms_count_values_and_round_numbers():
    tags = {
        "s": strings("b", None, "b"), "n": numbers(2.5, -0.4, np.nan),
        "r": regions([("read1", 0, 1, "A")] * 2, [], [("read1", 0, 1, "C")]),
    }  # fmt: skip
    given = block(tags=tags, read1=sequences(*"ACG"))
    assert reported(Report(tag_histograms=["s", "n", "r"]), given)["histogram"] == {
        "s": {"": 1, "b": 2},
        "n": {"0": 1, "3": 1},
        "r": {"": 1, "A_A": 1, "C": 1},
    }


@settings(max_examples=25)
@given(
    st.lists(st.text("ACGTN", max_size=12), min_size=1, max_size=12),
    st.integers(1, 3), st.integers(1, 5),
)  # fmt: skip
def test_reports_do_not_depend_on_blocks_and_workers(reads, workers, size):
    whole = block(read1=sequences(*reads), read2=sequences(*reversed(reads)))
    parts = [
        whole.take(np.arange(n, min(n + size, len(reads)))) for n in range(0, len(reads), size)
    ]
    step = Report(**ALL, count_oligos=["AC"])
    assert reported(step, *parts, workers=workers) == reported(step, whole)


def test_bases_behind_the_longest_curve_are_counted_in_its_last_point(monkeypatch):
    monkeypatch.setattr(report, "POSITIONS", 300)
    found = reported(Report(base_statistics=True), block(read1=sequences("A" * 310 + "C" * 7)))
    statistics = found["read1"]["base_statistics"]
    assert statistics["total_bases"] == 317
    assert statistics["per_position_counts"]["a"] == [1] * 299 + [11]
    assert statistics["per_position_counts"]["c"][-1] == 7
