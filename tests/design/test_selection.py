import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from tasks.design import selection


@pytest.mark.parametrize(
    ("metric", "normalised", "expected"),
    [
        ("edit", False, [0, 1, 2]),
        ("edit", True, [0, 1 / 4, 2 / 4]),
        ("hamming", False, [0, np.nan, 4]),
        ("hamming", True, [0, np.nan, 1]),
    ],
)
def test_distances_by_hand(metric, normalised, expected):
    sequences = ["MKVA", "MKA", "KVAM"]

    found = selection.distances(sequences, "MKVA", metric, normalised=normalised)

    np.testing.assert_allclose(found, expected)


def test_a_limit_of_identity_is_met_exactly():
    reference = "A" * 100
    sequences = ["A" * n + "C" * (100 - n) for n in range(101)]

    found = selection.identities(sequences, reference)

    assert found.tolist() == [n / 100 for n in range(101)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text("AC", min_size=3, max_size=5), min_size=1, max_size=9),
    st.integers(1, 9),
)
def test_maxmin_agrees_with_the_definition(sequences, n):
    equal = len(set(map(len, sequences))) == 1

    def distance(a: str, b: str) -> int:
        if equal:
            return sum(x != y for x, y in zip(a, b, strict=True))
        if not a or not b:
            return len(a) + len(b)
        return min(
            distance(a[1:], b[1:]) + (a[0] != b[0]), distance(a[1:], b) + 1, distance(a, b[1:]) + 1
        )

    picks = [0]
    while len(picks) < min(n, len(sequences)):
        rest = [i for i in range(len(sequences)) if i not in picks]
        gap = [min(distance(sequences[i], sequences[p]) for p in picks) for i in rest]
        picks.append(rest[int(np.argmax(gap))])

    taken, _, _ = selection.farthest_points(sequences, n, 0)

    assert np.flatnonzero(taken).tolist() == sorted(picks)


def test_maxmin_tells_the_distance_to_the_nearest_picked():
    rng = np.random.default_rng(3)
    sequences = ["".join(rng.choice(list("ACDE"), rng.integers(5, 60))) for _ in range(60)]

    picked, nearest, radius = selection.farthest_points(sequences, 20, 7)

    chosen = [sequences[i] for i in np.flatnonzero(picked)]
    expected = [min(Levenshtein.distance(one, pick) for pick in chosen) for one in sequences]
    assert nearest.tolist() == expected
    assert radius >= max(expected)
    pairs = [Levenshtein.distance(a, b) for i, a in enumerate(chosen) for b in chosen[:i]]
    assert min(pairs) == radius
