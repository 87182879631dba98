import pytest

from blocks.errors import InputError
from tasks.domains.ranges import (
    closed,
    complement,
    difference,
    intersection,
    iou,
    normalised,
    overlap,
    parse_range,
    range_text,
    size,
    union,
)


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        pytest.param("10-150", ((9, 150),), id="one stretch"),
        pytest.param("200-220,10-150", ((9, 150), (199, 220)), id="sorted"),
        pytest.param("A:4-63,A:174-335", ((3, 63), (173, 335)), id="chain named"),
        pytest.param("7", ((6, 7),), id="one residue"),
        pytest.param("1-10,11-20", ((0, 20),), id="touching stretches are one"),
    ],
)
def test_ranges_are_read(text, segments):
    assert parse_range(text) == segments


@pytest.mark.parametrize(
    "text", ["", "a-b", "0-5", "9-3", "1-5,,7-9", "A:1-5,B:7-9", "-3-5"], ids=repr
)
def test_wrong_ranges_are_refused_by_place(text):
    with pytest.raises(InputError, match="range of d1abca_"):
        parse_range(text, "range of d1abca_")


def test_text_is_one_based_and_inclusive():
    assert range_text(((159, 320), (349, 400))) == "160-320,350-400"


def test_sets_of_residues():
    one, other = ((0, 10), (20, 30)), ((5, 25),)
    assert union(one, other) == ((0, 30),)
    assert intersection(one, other) == ((5, 10), (20, 25))
    assert difference(one, other) == ((0, 5), (25, 30))
    assert complement(one, 35) == ((10, 20), (30, 35))
    assert (size(one), overlap(one, other), iou(one, other)) == (20, 10, 10 / 30)


def test_nothing_has_no_residues():
    assert normalised([(5, 5), (7, 3)]) == ()
    assert complement((), 4) == ((0, 4),)
    assert iou((), ()) == 0


def test_short_gaps_are_closed():
    assert closed(((0, 10), (13, 20), (30, 40)), 3) == ((0, 20), (30, 40))
