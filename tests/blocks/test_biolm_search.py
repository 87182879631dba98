"""The bad items of a batch are found, nobody else is blamed, and it takes few requests."""

import asyncio
from math import ceil, log2

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.biolm_search import MARGIN, culprits


class Fake:
    """Refuses every group with a bad item, and groups above a size."""

    def __init__(self, bad, largest=10_000):
        self.bad, self.largest, self.requests, self.passed = set(bad), largest, 1, set()

    async def send(self, places):
        self.requests += 1
        if self.bad & set(places):
            return f"bad: {min(self.bad & set(places))}"
        if len(places) > self.largest:
            return "too many"
        self.passed |= set(places)
        return None


def search(count, bad, *, confirm=False, largest=10_000):
    fake = Fake(bad, largest)
    found = asyncio.run(culprits(range(count), "refused", fake.send, confirm=confirm))
    return found, fake


@given(st.data(), st.integers(1, 70), st.booleans())
@settings(max_examples=300, deadline=None)
def test_exactly_the_bad_ones_are_set_aside_within_the_bound(data, count, confirm):
    bad = data.draw(st.sets(st.integers(0, count - 1), min_size=1))

    found, fake = search(count, bad, confirm=confirm)

    assert found.keys() == bad
    assert fake.passed == set(range(count)) - bad
    assert fake.requests <= count + ceil(log2(count)) + MARGIN


@pytest.mark.parametrize("place", range(32))
def test_one_bad_item_of_32_takes_six_more_requests(place):
    found, fake = search(32, {place})

    assert found.keys() == {place}
    assert fake.requests - 1 <= 6


@pytest.mark.parametrize("place", range(32))
def test_confirming_the_culprit_takes_one_more(place):
    assert search(32, {place}, confirm=True)[1].requests - 1 <= 7


def test_whoever_is_refused_alone_keeps_that_message():
    assert search(2, {0})[0] == {0: "bad: 0"}


def test_who_passes_alone_is_not_blamed_for_the_size_of_the_group():
    found, fake = search(8, set(), confirm=True, largest=1)

    assert found == {}
    assert fake.passed == set(range(8))


def test_one_item_is_its_own_culprit_without_a_request():
    found, fake = search(1, {0})

    assert (found, fake.requests) == ({0: "refused"}, 1)
