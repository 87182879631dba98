"""Rows of evidence as hits."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tasks.domains.evidence import evidence_frame
from tasks.domains.hits import hits_by_protein
from tests.domains.evidence_rows import row

STEP = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(1, 30))
"""Residues of query and target before a block, and its columns."""


def blocks_of(steps):
    found, q, t = [], 0, 0
    for query_gap, target_gap, run in steps:
        q, t = q + query_gap, t + target_gap
        found.append((q, t, run))
        q, t = q + run, t + run
    return tuple(found)


@given(st.lists(st.lists(STEP, max_size=5).map(blocks_of), max_size=6))
def test_what_is_measured_of_all_rows_at_once_is_what_the_blocks_say(all_blocks):
    rows = [
        row(
            f"d{number}", 0, 0, 1, 1e-9, query_starts=[q for q, _, _ in blocks],
            target_starts=[t for _, t, _ in blocks], block_lengths=[run for _, _, run in blocks],
        )
        for number, blocks in enumerate(all_blocks)
    ]  # fmt: skip

    hits = {hit.row: hit for hit in hits_by_protein(evidence_frame(rows), {"p": 400}).get("p", [])}

    sound = {
        number: blocks
        for number, blocks in enumerate(all_blocks)
        if blocks and blocks[-1][0] + blocks[-1][2] <= 400
    }
    assert {number: hit.blocks for number, hit in hits.items()} == sound
    for number, blocks in sound.items():
        hit = hits[number]
        pairs = pairwise(blocks)
        gaps = [(b[0] - a[0] - a[2]) - (b[1] - a[1] - a[2]) for a, b in pairs]
        assert hit.end == blocks[-1][0] + blocks[-1][2]
        assert hit.columns == sum(run for _, _, run in blocks)
        assert hit.insertion == max([0, *gaps])


def test_hits_are_in_the_same_order_whatever_that_of_the_rows():
    rows = [row(name, 0, 0, 50, evalue) for name, evalue in (("b", 1e-5), ("a", 1e-5), ("c", 1e-9))]

    for order in (rows, rows[::-1]):
        hits = hits_by_protein(evidence_frame(order), {"p": 400, "q": 3})["p"]
        assert [hit.target for hit in hits] == ["c", "a", "b"]
        assert [order[hit.row]["target"] for hit in hits] == ["c", "a", "b"]
