import pytest

from tasks.domains.alignment import Hsp, aligned_blocks, identical_columns, join_collinear


def test_gaps_part_an_alignment_into_blocks():
    blocks = aligned_blocks("ACD--EFG", "ACDKLE-G", 10, 0)
    assert blocks == ((10, 0, 3), (13, 5, 1), (15, 6, 1))


def test_strings_of_different_length_are_no_alignment():
    with pytest.raises(ValueError, match="argument"):
        aligned_blocks("ACD", "AC", 0, 0)


def test_identity_does_not_see_case_or_count_gaps():
    assert identical_columns("aC-D", "ACE-") == 2


def hsp(query, target, length, evalue):
    return Hsp(((query, target, length),), length, evalue, 2.0 * length)


def test_collinear_hsps_are_one_row():
    rows = join_collinear([hsp(150, 50, 50, 1e-5), hsp(0, 0, 50, 1e-9)])
    assert rows == [Hsp(((0, 0, 50), (150, 50, 50)), 100, 1e-9, 200.0, 2)]


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(hsp(100, 0, 50, 1e-5), id="the same target twice: a repeat"),
        pytest.param(hsp(100, 200, 50, 1e-5), id="wrong order"),
        pytest.param(hsp(20, 20, 50, 1e-5), id="overlap of 30"),
    ],
)
def test_other_hsps_are_further_rows(second):
    first = hsp(0, 0, 50, 1e-9) if second.blocks[0][1] != 200 else hsp(150, 0, 50, 1e-9)
    assert join_collinear([second, first]) == [first, second]


def test_a_small_overlap_is_cut_from_the_weaker_hsp():
    (row,) = join_collinear([hsp(0, 0, 50, 1e-9), hsp(40, 45, 40, 1e-5)])
    assert row.blocks == ((0, 0, 50), (50, 55, 30))
    assert (row.identities, row.bitscore, row.count) == (80, 160.0, 2)
