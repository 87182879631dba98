"""What a sentence says with digits, and whether it stands in what it cites."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.text.number_support import Known, Support, citations, unsupported
from tasks.text.numbers import numbers_in


def told(text):
    return [(one.kind, one.text, one.value) for one in numbers_in(text)]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("12", "number", 12),
        ("1,234,567", "number", 1_234_567),
        ("1\u202f234", "number", 1_234),
        ("1'234", "number", 1_234),
        ("0.05", "number", 0.05),
        (".05", "number", 0.05),
        ("1,5", "number", 1.5),
        ("-3.2", "number", -3.2),
        ("\u22123.2", "number", -3.2),
        ("1e-5", "number", 1e-5),
        ("1.2E+3", "number", 1_200),
        ("1.2 \u00d7 10^-3", "number", 1.2e-3),
        ("1.2\u00d710\u207b\u00b3", "number", 1.2e-3),
        ("3*10**4", "number", 3e4),
        ("1.2 million", "number", 1.2e6),
        ("12k", "number", 12_000),
        ("12 %", "percent", 12),
        ("12\u202f%", "percent", 12),
        ("12 percent", "percent", 12),
        ("1.5 percentage points", "percent", 1.5),
        ("3rd", "ordinal", 3),
        ("5mM", "number", 5),
        ("52\u00b0C", "number", 52),
        ("10x", "number", 10),
        ("2-fold", "number", 2),
        ("\u0663\u0664", "number", 34),
        ("\uff11\uff12", "number", 12),
        ("twelve", "number", 12),
        ("Twenty-one", "number", 21),
        ("two thousand three hundred", "number", 2_300),
        ("three hundred and five", "number", 305),
        ("twice", "number", 2),
        ("fivefold", "number", 5),
        ("half", "percent", 50),
        ("\u00bd", "percent", 50),
        ("2024", "number", 2024),
    ],
)
def test_one_number_with_its_value(text, kind, value):
    (one,) = numbers_in(f"so {text} of it")
    assert one.kind == kind
    assert text.startswith(one.text)
    assert one.value == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    "name",
    [
        "P02144", "V600E", "IL-2", "MYG_HORSE2", "resampled-000547", "1.2.3",
        "10.1234/example.5678", "a@b2.org", "https://x.org/2024/7", "GO:0005344", "rs12345",
        "PF00042.25", "d1a6ma_", "IC50", "192.168.0.1", "p.Val600Glu", "NM_000546.6", "1a2b", "3D",
    ],
)  # fmt: skip
def test_names_with_digits_are_no_numbers(name):
    assert told(f"in {name} there")[0][:2] == ("name", name)
    assert len(told(f"in {name} there")) == 1


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("3-5", [3, 5]),
        ("3\u20135", [3, 5]),
        ("3 to 5", [3, 5]),
        ("from -3 to \u20135", [-3, -5]),
        ("1.2 \u00b1 0.3", [1.2, 0.3]),
        ("12/40", [12, 40]),
        ("p<0.05, n=12", [0.05, 12]),
        ("(12)", [12]),
        ("In 2024, 12 of them.", [2024, 12]),
    ],
)
def test_several_numbers(text, values):
    assert [one.value for one in numbers_in(text)] == values


def test_the_first_end_of_a_range_is_a_percentage_too():
    assert told("10\u201320 %") == [("percent", "10", 10.0), ("percent", "20 %", 20.0)]


@pytest.mark.parametrize("text", ["1,23,4", "dozens", "thousands"])
def test_what_is_no_one_number_has_no_value(text):
    (one,) = numbers_in(text)
    assert math.isnan(one.value)


@pytest.mark.parametrize("text", ["one of them", "the first and the second", "a.b c/d", "", "IV"])
def test_what_is_not_looked_at(text):
    assert numbers_in(text) == []


@given(st.text(alphabet="0123456789.,-+eE%\u00d7\u207b\u00b2 abP_[]", max_size=40))
def test_places_are_right_and_do_not_overlap(text):
    found = numbers_in(text)
    assert all(text[one.start : one.end] == one.text != "" for one in found)
    assert all(a.end <= b.start for a, b in pairwise(found))


COUNT, SHARE, PERCENT = Known(1987), Known(0.96973, "share"), Known(43.51, "%")
LOSS, TINY, LARGE = Known(-1.254), Known(1.5e-7), Known(1_187_000)
CITED = Support(
    (COUNT, SHARE, PERCENT, LOSS, TINY, LARGE, Known(3), Known(5)),
    ("P02144 since 2019-04-02; 61 kDa, 12 % of all",),
    ("round 2", "log2_ratio", "designs"),
)


@pytest.mark.parametrize(
    "text",
    [
        "1987", "1,987", "96.97 %", "97 %", "97.0 percent", "0.97", "0.9697", "43.5 %", "44 %",
        "-1.25", "\u22121.3", "1.5e-7", "1.5 \u00d7 10\u207b\u2077", "1.2 million", "1.19 million",
        "P02144", "2 April 2019", "61 kDa", "12 %", "3-5", "3rd", "three", "of round 2",
        "log2_ratio", "nothing at all",
    ],
)  # fmt: skip
def test_what_is_supported(text):
    assert unsupported(f"It is {text} [1].", [CITED]) == []


@pytest.mark.parametrize(
    "text",
    [
        "1988", "2,000", "about 2000", "1.987", "19.87", "1987 %", "198.7",  # another number
        "97", "0.96", "0.98", "96 %", "98 %", "9.7 %", "100 %", "1.0", "1",  # share, badly rounded
        "43.51", "44", "43 %", "0.435",  # percent, not a number
        "1.25", "-1.2", "-1", "1.5e-8", "1.5 \u00d7 10\u2076", "0", "0.0",  # sign, exponent, naught
        "1.3 million", "1 million", "2 million", "P02145", "p02144", "P0214", "P02144.2",
        "3 April 2019", "2019-04-03", "2019", "62 kDa", "13 %", "2-5", "3-6", "4th", "four",
        "61 %", "round 7", "log10_ratio", "half", "twice", "hundreds of them", "2",
    ],
)  # fmt: skip
def test_what_is_not_supported(text):
    assert unsupported(f"It is {text} [1].", [CITED])


@given(st.floats(-1e9, 1e9, allow_nan=False), st.integers(2, 8))
def test_a_value_rounded_to_two_or_more_digits_is_supported(value, digits):
    assert unsupported(f"It is {value:.{digits}g} now.", [Support((Known(value),))]) == []


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_whole_numbers_are_supported_by_themselves_only(value, other):
    assert (unsupported(f"It is {other:,} now.", [Support((Known(value),))]) == []) == (
        value == other
    )


def test_a_number_of_another_place_does_not_count():
    assert unsupported("It is 5 [1].", [Support((Known(4),))])


def test_citations_are_no_numbers():
    assert citations("It is 5 [3] and 6 [1, 3; 12].") == [3, 1, 12]
    assert unsupported("It is 5 [12].", [Support((Known(5),))]) == []
