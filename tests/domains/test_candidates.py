"""Two chains: `pair` (domains 1-100 and 101-200) and `nest` (1-50,151-200 around 51-150)."""

import pandas as pd
import pytest

from tasks.domains.candidates import candidates_of
from tasks.domains.evidence import evidence_frame
from tasks.domains.hits import read_hits
from tasks.domains.reference_tables import CHAIN_COLUMNS, DOMAIN_COLUMNS, ReferenceTables
from tests.domains.evidence_rows import row

TABLES = ReferenceTables(
    pd.DataFrame(
        [
            ("dp1", "pair", "1-100", 100, "a.1.1.1"),
            ("dp2", "pair", "101-200", 100, "b.1.1.1"),
            ("dn1", "nest", "1-50,151-200", 100, "c.1.1.1"),
            ("dn2", "nest", "51-150", 100, "d.1.1.1"),
        ],
        columns=DOMAIN_COLUMNS,
    ),
    pd.DataFrame(
        [
            ("pair", 200, "dp1", "1-100", "a.1.1.1"),
            ("pair", 200, "dp2", "101-200", "b.1.1.1"),
            ("nest", 200, "dn1", "1-50,151-200", "c.1.1.1"),
            ("nest", 200, "dn2", "51-150", "d.1.1.1"),
        ],
        columns=CHAIN_COLUMNS,
    ),
)


def hit(source, target, *blocks):
    query, targets, lengths = map(list, zip(*blocks, strict=True))
    places = {"query_starts": query, "target_starts": targets, "block_lengths": lengths}
    one = row(target, 0, 0, sum(lengths), 1e-9, share=0.5, source=source, **places)
    return read_hits(evidence_frame([one]), 1_000)[0]


def found(one, length, max_extension=120):
    return {c.domain_id: c for c in candidates_of(one, length, TABLES, max_extension)}


def test_ends_move_to_those_of_the_reference():
    one = found(hit("domain_blast", "dp1", (50, 20, 60)), 300)["dp1"]
    assert one.segments == ((30, 130),)
    assert one.aligned == ((50, 110),)
    assert (one.extended_start, one.extended_end, one.missing) == (20, 20, 0)
    assert one.coverage == 0.6


@pytest.mark.parametrize(
    ("length", "limit", "segments"),
    [
        pytest.param(75, 120, ((0, 75),), id="not beyond the protein"),
        pytest.param(300, 5, ((5, 75),), id="not beyond the limit"),
    ],
)
def test_ends_move_within_limits(length, limit, segments):
    one = found(hit("domain_blast", "dp1", (10, 20, 60)), length, limit)["dp1"]
    assert one.segments == segments
    assert one.missing == 40 - (one.extended_start + one.extended_end)


def test_a_reference_shorter_than_the_alignment_says_does_not_exceed_full_coverage():
    one = found(hit("domain_blast", "dp1", (0, 0, 101)), 200)["dp1"]
    assert one.coverage == 1
    assert one.segments == ((0, 101),)


def test_an_insertion_is_left_out():
    one = found(hit("domain_blast", "dp1", (0, 0, 50), (200, 50, 50)), 300)["dp1"]
    assert one.segments == ((0, 50), (200, 250))


def test_a_loop_is_not():
    one = found(hit("domain_blast", "dp1", (0, 0, 50), (65, 50, 50)), 300)["dp1"]
    assert one.segments == ((0, 115),)


def test_a_chain_hit_proposes_each_domain_by_its_columns():
    ones = found(hit("chain_blast", "pair", (0, 0, 90), (110, 90, 110)), 220)
    assert ones["dp1"].segments == ((0, 120),)
    assert ones["dp2"].segments == ((120, 220),)


def test_a_discontinuous_domain_is_transferred_with_its_insertion():
    ones = found(hit("chain_blast", "nest", (10, 0, 200)), 220)
    assert ones["dn1"].segments == ((10, 60), (160, 210))
    assert ones["dn2"].segments == ((60, 160),)


def test_an_end_does_not_move_across_the_point_where_the_chain_leaves_the_domain():
    one = found(hit("domain_blast", "dn1", (100, 0, 40)), 400)["dn1"]
    assert one.segments == ((100, 150),)
    assert one.missing == 50


@pytest.mark.parametrize(
    ("length", "segments", "missing"),
    [
        pytest.param(195, ((0, 50), (150, 195)), 0, id="room"),
        pytest.param(160, ((0, 50),), 50, id="no room"),
    ],
)
def test_a_part_that_is_not_aligned_is_added_where_there_is_room(length, segments, missing):
    one = found(hit("chain_blast", "nest", (0, 0, 150)), length)["dn1"]
    assert (one.segments, one.missing) == (segments, missing)
    assert one.aligned == ((0, 50),)


def test_an_unaligned_domain_is_proposed_where_there_is_room_for_it():
    one = found(hit("chain_blast", "pair", (0, 0, 100)), 195)["dp2"]
    assert (one.kind, one.segments, one.columns) == ("neighbour", ((100, 195),), 0)


def test_but_not_where_there_is_none():
    assert "dp2" not in found(hit("chain_blast", "pair", (0, 0, 100)), 150)


def test_what_the_reference_does_not_know_proposes_nothing():
    assert not found(hit("domain_blast", "gone", (0, 0, 100)), 200)
    assert not found(hit("chain_blast", "gone", (0, 0, 100)), 200)


def test_the_protein_itself_is_known():
    whole = hit("domain_blast", "dp1", (0, 0, 100))
    assert not found(whole, 200)["dp1"].is_known
    assert found(whole._replace(identities=99), 200)["dp1"].is_known
