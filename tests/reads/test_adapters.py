"""Adapters are found where the definition, or fastp's rule, says so."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.reads.kernels.overlap import pair_overlaps
from tasks.reads.steps.adapters import (
    COMPLEMENTS,
    TRUSEQ,
    TrimAdaptersByOverlap,
    TrimAdapterSequence,
)
from tasks.reads.steps.tail_trim import TrimPolyG, TrimPolyX
from tests.reads.blocks import around, bases, block, column, run, sequences

INSERT = "ACGTTGCAAGCTTACGGATCCATGCATTGACCGATAGGCTAACG"
LETTERS = st.text("ACGTN", max_size=140)


def turned(text: str) -> str:
    return text.translate(str.maketrans("ACGTN", "TGCAN"))[::-1]


def first_overlap(one: str, two: str, least: int = 30) -> tuple[int, int]:
    """fastp's definition, base by base: offset and size; size -1 without overlap."""
    other = turned(two)
    places = [*range(max(len(one) - least, 0)), *(-k for k in range(max(len(two) - least, 0)))]
    for offset in places:
        a, b = one[max(offset, 0) :], other[max(-offset, 0) :]
        size = min(len(a), len(b))
        differ = sum(x != y for x, y in zip(a[:50], b[:50], strict=False))
        if differ <= min(5, int(size * 0.2)):
            return offset, size
    return 0, -1


@settings(max_examples=150, deadline=None)
@given(LETTERS, st.text("ACGT", max_size=40), LETTERS, st.booleans())
def test_overlaps_are_those_of_the_definition(
    middle: str, left: str, right: str, inside: bool
) -> None:
    one, two = (middle + left, turned(middle) + right) if inside else (left + middle, right)
    a, b = column([one]), column([two])
    offset, size = np.empty(1, np.int64), np.empty(1, np.int64)
    pair_overlaps(
        a.buffer, a.start, a.length, b.buffer, b.start, b.length, 30, 5, 0.2, COMPLEMENTS,
        offset, size,
    )  # fmt: skip
    assert (int(offset[0]), int(size[0])) == first_overlap(one, two)


def overlap_cut(tail1: str, tail2: str, **settings: object) -> tuple[str, str]:
    step = TrimAdaptersByOverlap.model_validate({"action": "TrimAdaptersByOverlap", **settings})
    got = run(step, block(read1=sequences(INSERT + tail1), read2=sequences(turned(INSERT) + tail2)))
    return bases(got, "read1")[0], bases(got, "read2")[0]


def test_read_through_is_cut_to_the_insert() -> None:
    assert overlap_cut(TRUSEQ[0][:20], TRUSEQ[1][:20]) == (INSERT, turned(INSERT))


def test_tails_that_are_no_adapter_stay_unless_not_asked() -> None:
    tails = ("GGTACCATTGACAGTTCAGG", "TTGGACCAGTATTACCAGGA")
    assert overlap_cut(*tails) == (INSERT + tails[0], turned(INSERT) + tails[1])
    assert overlap_cut(*tails, confirm_adapter=False) == (INSERT, turned(INSERT))


def test_an_adapter_with_a_missing_base_confirms() -> None:
    damaged = TRUSEQ[0][:6] + TRUSEQ[0][7:21]
    assert overlap_cut(damaged, "TTGGACCAGTATTACCAGGA") == (INSERT, turned(INSERT))


def test_short_tails_need_no_adapter() -> None:
    assert overlap_cut("CC", "CC") == (INSERT, turned(INSERT))


def test_pairs_add_up() -> None:
    pairs = block(
        read1=sequences(INSERT + TRUSEQ[0], INSERT, "ACGT" * 20),
        read2=sequences(turned(INSERT) + TRUSEQ[1], turned(INSERT), "AACC" * 20),
    )
    stage = TrimAdaptersByOverlap().build(around("read1", "read2"))
    account = stage.account()
    stage.run(pairs, account)
    told = stage.finish([account])
    assert told["overlapping"] + told["not_overlapping"] == sum(told["insert_sizes"]) == 3
    assert (told["trimmed"], told["trimmed_bases"]) == (1, 66)
    assert told["insert_sizes"][len(INSERT)] == 2


def definition(read: str, adapter: str) -> str:
    """fastp's rule for adapter sequences, base by base."""
    ahead = 4 if len(adapter) >= 16 else 3 if len(adapter) >= 12 else 2 if len(adapter) >= 8 else 0
    for at in range(-ahead, len(read) - 4):
        count = min(len(read) - at, len(adapter))
        differ = sum(adapter[k] != read[at + k] for k in range(max(0, -at), count))
        if differ <= count // 8:
            return read[: max(at, 0)]
    return read


@settings(max_examples=200, deadline=None)
@given(st.text("ACGT", max_size=90), st.text("ACGT", min_size=4, max_size=40), st.integers(-5, 90))
def test_sequences_are_found_where_fastp_finds_them(read: str, adapter: str, at: int) -> None:
    read = read[: max(at, 0)] + adapter[max(-at, 0) :] + read[max(at, 0) :]
    step = TrimAdapterSequence(adapter=adapter, max_indels=0, segment="read1")
    assert bases(run(step, block(read1=sequences(read)))) == [definition(read, adapter)]


@pytest.mark.parametrize("place", range(4, 30))
def test_one_inserted_or_missing_base_anywhere_is_found(place: int) -> None:
    adapter = TRUSEQ[0]
    damaged = [adapter[:place] + adapter[place + 1 :], adapter[:place] + "A" + adapter[place:]]
    step = TrimAdapterSequence(adapter=adapter, segment="read1")
    for left in bases(run(step, block(read1=sequences(*(INSERT + one for one in damaged))))):
        assert abs(len(left) - len(INSERT)) <= 2, "near the adapter's start the place is uncertain"


def test_reads_without_the_adapter_stay() -> None:
    rng = np.random.default_rng(5)
    given = ["".join(rng.choice(list("ACGT"), 120)) for _ in range(300)]
    step = TrimAdapterSequence(adapter=TRUSEQ[0], segment="read1")
    got = bases(run(step, block(read1=sequences(*given))))
    assert sum(len(one) < 100 for one in got) == 0


def test_tails_of_g_are_cut_and_short_ones_stay() -> None:
    got = run(TrimPolyG(segment="read1"), block(read1=sequences("ACT" + "G" * 12, "ACT" + "G" * 8)))
    assert bases(got) == ["ACT", "ACT" + "G" * 8]


def test_tails_of_g_are_cut_of_two_colour_reads_only() -> None:
    text = "ACT" + "G" * 12
    given = block(read1=[(name, text, "I" * 15) for name in ("NS5", "A00", "M01", "N")])
    got = run(TrimPolyG(segment="read1", only_two_colour=True), given)
    assert bases(got) == ["ACT", "ACT", text, text]


def test_tails_of_any_base_are_cut() -> None:
    given = block(read1=sequences("ACGTACGTC" + "A" * 15, "ACGTACGT" * 3, ""))
    assert bases(run(TrimPolyX(segment="read1"), given)) == ["ACGTACGTC", "ACGTACGT" * 3, ""]


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValidationError, match="expected two segments"):
        TrimAdaptersByOverlap(segment2="read1")
    with pytest.raises(ValidationError, match="expected sequences"):
        TrimAdaptersByOverlap(adapters1=(), adapters2=())
    with pytest.raises(ValidationError):
        TrimAdapterSequence(adapter="ACGU", segment="read1")
