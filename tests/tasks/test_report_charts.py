import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from blocks.errors import InputError
from tasks.report.axis import Axis
from tasks.report.curves import MOST_POINTS, curves
from tasks.report.heat_map import heat_map
from tasks.report.histogram import MAX_BINS, bin_edges, histogram
from tasks.report.logo import OUTLINES, information_heights, logo
from tasks.report.scatter import Point, scatter

FLOATS = st.floats(-1e6, 1e6) | st.integers(-5, 5).map(float)


@given(st.lists(FLOATS, min_size=1, max_size=50))
def test_every_value_lies_in_one_of_at_most_60_bins(values):
    array = np.array(values)
    edges = bin_edges(array)
    assert len(edges) - 1 <= MAX_BINS
    assert np.all(np.diff(edges) >= 0)
    assert np.histogram(array, edges)[0].sum() == len(array)


def test_bins_hold_equally_many_points_of_a_grid():
    identities = 1 - np.arange(0, 31) / 150
    assert np.histogram(identities, bin_edges(identities))[0].tolist() == [1] * 31
    wide = np.arange(0, 120)
    assert set(np.histogram(wide, bin_edges(wide))[0].tolist()) == {2}


def test_a_histogram_counts_what_it_leaves_out():
    html = histogram("x", {"all": [1.0, 2.0, np.nan, np.inf], "kept": []})
    assert "all: 2, median 1.5, 2 without a value" in html
    assert "kept: 0<" in html


@pytest.mark.parametrize(
    "values",
    [[], [np.nan], [3.0], [0.0, 0.0], [1.0, 1.0 + 1e-15], [1e300, -1e300], [1e-300, 1e100, 1.0]],
)
def test_odd_values_still_make_a_histogram_and_a_scatter_plot(values):
    ElementTree.fromstring(histogram("x", {"all": values, "kept": values[:1]}, marks={"p": np.nan}))  # noqa: S314 -- our own text
    ElementTree.fromstring(scatter(values, values, names=("x", "y"), marks=[Point(np.nan, 1, "p")]))  # noqa: S314 -- our own text


def test_values_over_many_orders_of_magnitude_get_a_logarithmic_axis():
    html = histogram("e", {"all": 10.0 ** -np.arange(0.0, 40.0)})
    assert "logarithmic axis" in html
    assert ">1e−20<" in html  # noqa: RUF001
    assert "logarithmic" not in histogram("e", {"all": [0.0, 1e-9, 1.0]})


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9), st.integers(2, 8))
def test_ticks_lie_inside_their_axis(low, width, count):
    axis = Axis(low, low + width, 0, 100)
    places = [place for place, _ in axis.ticks(count)]
    assert len(places) <= count + 1
    assert all(-0.01 <= place <= 100.01 for place in places)


def test_many_points_are_drawn_as_counts_and_stay_small():
    rng = np.random.default_rng(1)
    html = scatter(rng.normal(size=100_000), rng.normal(size=100_000), names=("x", "y"))
    assert "100,000 items, per bin" in html
    assert len(html) < 60_000


def test_the_bins_of_a_scatter_plot_lie_where_the_points_lie():
    x = np.repeat([0.0, 10.0], 1_000)  # low x with low y, high x with high y
    html = scatter(x, x, names=("x", "y"))
    # classes in the drawing are the cells; the last part of the caption is the legend
    (path,) = re.findall(r'<path class="s8" d="([^"]*)"', html)
    corners = [tuple(map(float, corner)) for corner in re.findall(r"M(\S+) (\S+?)h", path)]
    (top_x, top_y), (bottom_x, bottom_y) = corners
    assert top_x > bottom_x
    assert top_y < bottom_y  # SVG counts downwards


@given(arrays(np.int64, (3, 20), elements=st.integers(0, 30)))
def test_letters_of_a_logo_are_as_high_as_the_definition_says(counts):
    heights = information_heights(counts)
    for row, drawn in zip(counts.tolist(), heights.tolist(), strict=True):
        n = sum(row)
        if n == 0:
            assert drawn == [0] * 20
            continue
        entropy = -sum(c / n * math.log2(c / n) for c in row if c)
        bits = max(0.0, math.log2(20) - entropy - 19 / (2 * math.log(2) * n))
        assert drawn == pytest.approx([bits * c / n for c in row], abs=1e-12)


def test_the_tallest_letter_stands_on_top_and_the_stack_is_its_information():
    counts = np.zeros((1, 20), int)
    counts[0, [0, 19]] = 9_000, 1_000  # A and Y
    html = logo(counts)
    letters = re.findall(r'matrix\(.14 0 0 (\S+) \S+ (\S+)\)" d="([^"]*)"', html)
    assert [path for _, _, path in letters] == [OUTLINES["Y"], OUTLINES["A"]]
    heights = information_heights(counts)[0]
    assert float(letters[1][0]) * 100 == pytest.approx(heights[0] / math.log2(20) * 96, abs=0.01)
    assert float(letters[1][1]) < float(letters[0][1])


def test_every_letter_fills_its_box():
    for letter, path in OUTLINES.items():
        numbers = [float(n) for n in re.findall(r"[\d.]+", path)]
        assert (min(numbers), max(numbers)) == (0, 100), letter


def test_a_reference_of_another_length_is_refused():
    with pytest.raises(InputError, match="logo"):
        logo(np.ones((3, 20)), reference="AC")


def test_a_heat_map_folds_and_names_its_cells():
    matrix = np.zeros((2, 130))
    matrix[1, 129] = 7
    html = heat_map(matrix, ["A", "C"], [str(i) for i in range(1, 131)])
    assert html.count('role="img"') == 3
    assert re.findall(r"<title>(.*?)</title>", html) == ["130 C: 7"]


def test_opposite_values_of_a_diverging_map_have_opposite_colours():
    html = heat_map([[-2.0, 0.0, 2.0, np.nan]], ["a"], list("wxyz"), diverging=True)
    drawn = re.findall(r'<path class="(d\d)" d="M(\S+) ', html)
    assert drawn == [("d0", "40"), ("d4", "56"), ("d8", "72")]  # from left to right


def test_a_heat_map_with_too_few_labels_is_refused():
    with pytest.raises(InputError, match=r"matrix \(1, 2\); expected \(1, 1\)"):
        heat_map([[1, 2]], ["a"], ["b"])


def test_curves_share_their_axes_and_break_where_a_value_is_missing():
    html = curves("quality", {"a": [10, 20, 30], "b": [30, np.nan, 10]}, x_name="cycle")
    paths = dict(re.findall(r'<path class="line (g\d)" d="([^"]*)"', html))
    assert paths["g1"].count("M") == 1
    assert paths["g2"].count("M") == 2
    first, last = (re.findall(r"[\d.]+ [\d.]+", paths[each]) for each in ("g1", "g2"))
    assert first[0].split()[0] == last[0].split()[0]
    assert first[0].split()[1] == last[-1].split()[1]  # 10 stands as high in both
    assert "<title>a: 10 to 30</title>" in html


def test_counts_are_drawn_as_percent_of_their_sum():
    html = curves("lengths", {"all": [0, 1, 3]}, first=0, share=True)
    assert "<title>all: 0 to 75</title>" in html


def test_a_long_curve_is_drawn_as_means():
    html = curves("quality", {"long": np.repeat([1.0, 3.0], 3_000)})
    path = re.search(r'<path class="line g1" d="([^"]*)"', html)[1]
    assert path.count("L") == MOST_POINTS - 1
    assert "<title>long: 1 to 3</title>" in html


@pytest.mark.parametrize("values", [[], [np.nan], [np.inf]])
def test_curves_of_nothing_say_so(values):
    assert "No values." in curves("quality", {"a": values})
