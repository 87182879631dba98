"""Trace-back operations become blocks, and what are none are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.domains.alignment import aligned_blocks
from tasks.domains.btop import btop_blocks
from tests.domains.trace_back import trace_back

GAPLESS = st.tuples(st.sampled_from("ACX*"), st.sampled_from("ACX*"))
GAPPED = st.sampled_from([("A", "-"), ("-", "C")])
ALIGNMENTS = st.lists(st.one_of(GAPLESS, GAPLESS, GAPPED), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("btop", "blocks"),
    [
        ("6", ((10, 0, 6),)),
        ("2AC3", ((10, 0, 6),)),
        ("AC4*X", ((10, 0, 6),)),
        ("2-A-C4", ((10, 0, 2), (12, 4, 4))),
        ("2A-C-D-3", ((10, 0, 2), (15, 2, 3))),
        ("2A--CDE3", ((10, 0, 2), (13, 3, 4))),
    ],
)
def test_trace_back_operations_become_blocks(btop, blocks):
    q, t, run = blocks[-1]

    assert btop_blocks([btop], ([10], [q + run]), ([0], [t + run])) == [blocks]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), ALIGNMENTS), max_size=5))
def test_many_alignments_have_the_blocks_of_their_columns(drawn):
    texts, query, target, expected = [], ([], []), ([], []), []
    for q, t, columns in drawn:
        of_query, of_target = map("".join, zip(*columns, strict=True))
        texts.append(trace_back(of_query, of_target))
        for (starts, ends), start, text in ((query, q, of_query), (target, t, of_target)):
            starts.append(start)
            ends.append(start + len(text.replace("-", "")))
        expected.append(aligned_blocks(of_query, of_target, q, t))

    assert btop_blocks(texts, query, target) == expected


@pytest.mark.parametrize(
    "btop",
    ["", "5", "7", "5A", "5?A", "6 ", "-A-C4", "--6", "6--", "5é", "4" * 30],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_operations_that_do_not_fill_the_alignment_are_refused(btop, place):
    texts = ["6", "3AC2"]
    texts.insert(place, btop)

    with pytest.raises(ValueError, match="does not fill 10-16 and 0-6") as refused:
        btop_blocks(texts, ([10] * 3, [16] * 3), ([0] * 3, [6] * 3))
    assert str(refused.value).startswith(repr(btop))


def test_the_only_alignment_without_operations_is_refused():
    with pytest.raises(ValueError, match="'' does not fill 10-16 and 0-6"):
        btop_blocks([""], ([10], [16]), ([0], [6]))
