"""What the confidence of a chosen domain is read from."""

import pytest

from tasks.domains.boundaries import Placed
from tasks.domains.confidence import context_properties
from tasks.domains.properties import CONTEXT
from tests.domains.proposals import proposal


def properties(*placed, length, beside=()):
    proposals = [*(one.proposal for one in placed), *beside]
    rows = context_properties(placed, proposals, length)
    return [dict(zip(CONTEXT, values, strict=True)) for values in rows]


def test_a_domain_is_seen_beside_the_others_and_what_is_left():
    first, second = properties(
        Placed(proposal(0.9, (10, 100), reference_length=60), ((10, 100),)),
        Placed(proposal(0.7, (150, 190)), ((150, 200),)),
        length=200,
    )
    assert first["left"] == second["left"] == 60
    assert (first["share"], second["share"]) == (0.45, 0.25)
    assert (first["kept"], second["kept"]) == (1.0, 0.8)
    assert (first["filled"], second["filled"]) == (1.5, 1.25)


@pytest.mark.parametrize(
    ("aligned", "share"),
    [
        pytest.param(((0, 100),), 0.0, id="all"),
        pytest.param(((10, 70),), 0.3, id="the farther end counts"),
        pytest.param(((0, 20), (80, 100)), 0.0, id="not what lies between"),
        pytest.param((), 1.0, id="nothing"),
    ],
)
def test_an_end_that_is_not_aligned(aligned, share):
    one = Placed(proposal(0.9, (0, 100), aligned=aligned), ((0, 100),))
    assert properties(one, length=100)[0]["unaligned"] == share


@pytest.mark.parametrize(
    ("segments", "share"),
    [
        pytest.param(((50, 150),), 0.5, id="at both ends"),
        pytest.param(((0, 50), (150, 200)), 0.0, id="inside"),
        pytest.param(((0, 100),), 1.0, id="the rest"),
    ],
)
def test_the_longest_gap_beside_a_domain(segments, share):
    assert properties(Placed(proposal(0.9, *segments), segments), length=200)[0]["gap"] == share


def test_what_was_passed_over_counts_where_it_competes():
    one = Placed(proposal(0.9, (0, 100)), ((0, 100),))
    rivals = [proposal(0.3, (0, 200)), proposal(0.2, (10, 60)), proposal(0.8, (90, 200))]
    assert properties(one, length=200, beside=rivals)[0]["passed_over"] == 0.3
    assert properties(one, length=200)[0]["passed_over"] == 0.0
