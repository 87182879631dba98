import base64
import hashlib
import math
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from markupsafe import Markup

from blocks.errors import InputError
from tasks import report
from tasks.report import FunnelRow, Point, Section

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
EVIL = "<script>alert(1)</script>\"'&"
VOID = {"meta", "link", "br", "rect", "path", "circle"}


class Balance(HTMLParser):
    """Fails at the first tag that closes another than the last one opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag, attrs):
        self.scripts += tag == "script"
        if tag not in VOID or (tag in {"rect", "path", "circle"}):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def balanced(html: str) -> int:
    """Number of script elements in a document whose tags are balanced."""
    parser = Balance()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    return parser.scripts


def everything(text: str) -> str:
    """A page that uses every function, with `text` in every place that takes one."""
    frame = pd.DataFrame({text: [text, "b"], "n": [1.5, np.nan], "flag": [True, False]})
    bodies = [
        report.key_numbers({text: text, "number": 1.0}),
        report.funnel_chart([FunnelRow(text, 3, 1, 1, 1)]),
        report.data_table(frame, label=text, where=text, max_rows=1, bars=["n"]),
        report.choice(text, {text: report.data_table(frame, details=[Markup("<i>x</i>")] * 2)}),
        report.histogram(text, {text: [1.0, 2.0]}, unit=text, marks={text: 1.0}),
        report.scatter(
            [1.0, 2.0],
            [1.0, 2.0],
            names=(text, text),
            what=text,
            front=[Point(1, 1, text)],
            marks=[Point(2, 2, text)],
        ),
        report.heat_map([[1.0]], [text], [text], value_name=text, marks=[(0, 0)], mark_name=text),
        report.logo(np.eye(20, dtype=int), reference="<" * 20),
    ]
    sections = [Section(text, f"s{i}", body, text) for i, body in enumerate(bodies)]
    return report.page(text, text, [*sections, Section("raw", "raw", text)])  # not Markup


def test_text_from_the_data_stays_text_everywhere():
    html = everything(EVIL)
    assert "<script>alert" not in html
    assert balanced(html) == 1  # our own


def test_the_page_asks_nobody_for_anything():
    html = everything("plain")
    assert re.findall(r"(?:src|href)=\"([^#\"]*)", html) == ["data:,", *[""] * 10]
    assert "url(" not in html
    assert "@import" not in html
    assert " style=" not in html  # the policy would refuse it


def test_the_policy_allows_exactly_the_own_style_and_script():
    html = everything("plain")
    policy = re.search(r'Security-Policy" content="([^"]*)"', html)[1]
    for tag in ("style", "script"):
        text = re.search(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("anchor", ["", "Über", "a b", "1a", 'a"b'])
def test_an_anchor_that_is_no_fragment_is_refused(anchor):
    with pytest.raises(InputError, match="expected a-z"):
        Section("t", anchor, Markup())


def test_an_anchor_used_twice_is_refused():
    with pytest.raises(InputError, match="'a' used twice"):
        report.page("t", "", [Section("x", "a", Markup()), Section("y", "a", Markup())])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-0.0, "0"),
        (1234567, "1,234,567"),
        (-12.34567, "−12.35"),  # noqa: RUF001
        (12345.678, "12,345.7"),
        (3.2e-20, "3.2e−20"),  # noqa: RUF001
        (1e20, "1e20"),
        (math.nan, "–"),  # noqa: RUF001
        (math.inf, "∞"),
    ],
)
def test_numbers_are_printed_as_people_read_them(value, text):
    assert report.plain_number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.123, "0.12 s"),
        (59, "59 s"),
        (125, "2 min 5 s"),
        (3600, "1 h 0 min"),
        (90061, "1 d 1 h"),
    ],
)
def test_durations_have_two_units(seconds, text):
    assert report.duration(seconds) == text


def cells(html: str) -> list[str]:
    return re.findall(r"<td[^>]*>(?:<svg.*?</svg>)?(.*?)</td>", html)


def test_a_column_of_numbers_shares_its_decimals():
    frame = pd.DataFrame({"bits": [120.456, 3.2, -0.00001, np.nan, *[7.0] * 20]})
    assert cells(report.data_table(frame))[:4] == ["120.5", "3.2", "0.0", "–"]  # noqa: RUF001


def test_a_column_of_very_different_sizes_keeps_its_small_numbers():
    frame = pd.DataFrame({"evalue": [1.0, 1e-20, 2e-30]})
    assert cells(report.data_table(frame))[1:] == ["1e−20", "2e−30"]  # noqa: RUF001


def test_missing_values_of_nullable_columns_are_dashes():
    frame = pd.DataFrame({"n": pd.array([1, None], "Int64"), "s": pd.array(["a", None], "string")})
    assert cells(report.data_table(frame)) == ["1", "a", "–", "–"]  # noqa: RUF001


def test_a_long_table_says_how_many_rows_are_missing_and_where_they_are():
    html = report.data_table(pd.DataFrame({"n": range(1234)}), where="items.parquet")
    assert html.count("<td") == report.MAX_ROWS
    assert "The first 200 of 1,234 rows; 1,034 more in items.parquet." in html


def test_the_largest_number_has_the_longest_bar():
    html = report.data_table(pd.DataFrame({"n": [5.0, 10.0, 0.0, -3.0]}), bars=["n"])
    assert re.findall(r'<rect width="([^"]*)"', html) == ["50", "100", "0", "0"]


def test_markdown_keeps_text_as_text_and_cells_apart():
    frame = pd.DataFrame({"id": ["a|b", "[x](javascript:1)\n<b>", "s_1*"], "n": [1, 20, 300]})
    assert report.markdown_table(frame) == (
        "| id | n |\n"
        "| --- | ---: |\n"
        "| a\\|b | 1 |\n"
        "| \\[x\\](javascript:1) &lt;b&gt; | 20 |\n"
        "| s\\_1\\* | 300 |\n"
    )


def test_markdown_of_a_long_table_counts_the_rest():
    text = report.markdown_table(pd.DataFrame({"n": range(5)}), max_rows=2)
    assert text.endswith("| 1 |\n\nThe first 2 of 5 rows; 3 more.\n")


def test_the_bars_of_a_stage_end_where_the_widest_stage_ends():
    html = report.funnel_chart([FunnelRow("a", 100, 20, 30, 50), FunnelRow("b", 50, 0, 0, 50)])
    boxes = re.findall(r'class="(\w+)" x="(\S+)" y="0" width="(\S+)"', html)
    assert boxes == [
        ("keep", "0", "50"),
        ("fail", "50", "30"),
        ("drop", "80", "20"),
        ("keep", "0", "50"),
    ]


def test_few_of_many_items_are_still_seen_in_the_funnel():
    html = report.funnel_chart([FunnelRow("a", 10**6, 0, 0, 10**6), FunnelRow("b", 1, 0, 0, 1)])
    assert re.findall(r'width="(\S+)"', html) == ["100", "0.4"]


FLOATS = st.floats(-1e6, 1e6) | st.integers(-5, 5).map(float)


@given(st.lists(FLOATS, min_size=1, max_size=50))
def test_every_value_lies_in_one_of_at_most_60_bins(values):
    array = np.array(values)
    edges = report._bin_edges(array)
    assert len(edges) - 1 <= report.MAX_BINS
    assert np.all(np.diff(edges) >= 0)
    assert np.histogram(array, edges)[0].sum() == len(array)


def test_bins_hold_equally_many_points_of_a_grid():
    identities = 1 - np.arange(0, 31) / 150
    assert np.histogram(identities, report._bin_edges(identities))[0].tolist() == [1] * 31
    wide = np.arange(0, 120)
    assert set(np.histogram(wide, report._bin_edges(wide))[0].tolist()) == {2}


def test_a_histogram_counts_what_it_leaves_out():
    html = report.histogram("x", {"all": [1.0, 2.0, np.nan, np.inf], "kept": []})
    assert "all: 2, median 1.5, 2 without a value" in html
    assert "kept: 0<" in html


@pytest.mark.parametrize(
    "values",
    [[], [np.nan], [3.0], [0.0, 0.0], [1.0, 1.0 + 1e-15], [1e300, -1e300], [1e-300, 1e100, 1.0]],
)
def test_odd_values_still_make_a_histogram_and_a_scatter_plot(values):
    balanced(report.histogram("x", {"all": values, "kept": values[:1]}, marks={"p": np.nan}))
    balanced(report.scatter(values, values, names=("x", "y"), marks=[Point(np.nan, 1, "p")]))


def test_values_over_many_orders_of_magnitude_get_a_logarithmic_axis():
    html = report.histogram("e", {"all": 10.0 ** -np.arange(0.0, 40.0)})
    assert "logarithmic axis" in html
    assert ">1e−20<" in html  # noqa: RUF001
    assert "logarithmic" not in report.histogram("e", {"all": [0.0, 1e-9, 1.0]})


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9), st.integers(2, 8))
def test_ticks_lie_inside_their_axis(low, width, count):
    axis = report._Axis(low, low + width, 0, 100)
    places = [place for place, _ in axis.ticks(count)]
    assert len(places) <= count + 1
    assert all(-0.01 <= place <= 100.01 for place in places)


def test_many_points_are_drawn_as_counts_and_stay_small():
    rng = np.random.default_rng(1)
    html = report.scatter(rng.normal(size=100_000), rng.normal(size=100_000), names=("x", "y"))
    assert "100,000 items, per bin" in html
    assert len(html) < 60_000


def test_the_bins_of_a_scatter_plot_lie_where_the_points_lie():
    x = np.repeat([0.0, 10.0], 1_000)  # low x with low y, high x with high y
    html = report.scatter(x, x, names=("x", "y"))
    # classes in the drawing are the cells; the last part of the caption is the legend
    (path,) = re.findall(r'<path class="s8" d="([^"]*)"', html)
    corners = [tuple(map(float, corner)) for corner in re.findall(r"M(\S+) (\S+?)h", path)]
    (top_x, top_y), (bottom_x, bottom_y) = corners
    assert top_x > bottom_x
    assert top_y < bottom_y  # SVG counts downwards


@given(arrays(np.int64, (3, 20), elements=st.integers(0, 30)))
def test_letters_of_a_logo_are_as_high_as_the_definition_says(counts):
    heights = report.information_heights(counts)
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
    html = report.logo(counts)
    letters = re.findall(r'matrix\(.14 0 0 (\S+) \S+ (\S+)\)" d="([^"]*)"', html)
    assert [path for _, _, path in letters] == [report._LETTERS["Y"], report._LETTERS["A"]]
    heights = report.information_heights(counts)[0]
    assert float(letters[1][0]) * 100 == pytest.approx(heights[0] / math.log2(20) * 96, abs=0.01)
    assert float(letters[1][1]) < float(letters[0][1])


def test_every_letter_fills_its_box():
    for letter, path in report._LETTERS.items():
        numbers = [float(n) for n in re.findall(r"[\d.]+", path)]
        assert (min(numbers), max(numbers)) == (0, 100), letter


def test_a_reference_of_another_length_is_refused():
    with pytest.raises(InputError, match="logo"):
        report.logo(np.ones((3, 20)), reference="AC")


def test_a_heat_map_folds_and_names_its_cells():
    matrix = np.zeros((2, 130))
    matrix[1, 129] = 7
    html = report.heat_map(matrix, ["A", "C"], [str(i) for i in range(1, 131)])
    assert html.count('role="img"') == 3
    assert re.findall(r"<title>(.*?)</title>", html) == ["130 C: 7"]


def test_opposite_values_of_a_diverging_map_have_opposite_colours():
    html = report.heat_map([[-2.0, 0.0, 2.0, np.nan]], ["a"], list("wxyz"), diverging=True)
    drawn = re.findall(r'<path class="(d\d)" d="M(\S+) ', html)
    assert drawn == [("d0", "40"), ("d4", "56"), ("d8", "72")]  # from left to right


def test_a_heat_map_with_too_few_labels_is_refused():
    with pytest.raises(InputError, match=r"matrix \(1, 2\); expected \(1, 1\)"):
        report.heat_map([[1, 2]], ["a"], ["b"])


def dumped(html: str, folder: Path) -> tuple[str, str]:
    """The document after its script ran, and what the browser logged."""
    (folder / "page.html").write_text(html, encoding="utf-8")
    run = subprocess.run(
        [
            CHROMIUM,
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *("--enable-logging=stderr", f"--user-data-dir={folder / 'profile'}", "--dump-dom"),
            f"file://{folder / 'page.html'}",
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return run.stdout, "\n".join(line for line in run.stderr.splitlines() if "CONSOLE" in line)


@pytest.mark.tool
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_browser_runs_the_page_without_a_complaint(tmp_path):
    dom, log = dumped(everything(EVIL), tmp_path)
    assert log == ""
    assert "Sort by this column" in dom
    assert '<div class="choice live">' in dom


@pytest.mark.tool
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_forbidden_script_is_noticed_by_the_test_above(tmp_path):
    html = everything("x").replace("</main>", "<script>1</script></main>")
    assert "Content Security Policy" in dumped(html, tmp_path)[1]


@pytest.mark.tool
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize("grouped", [False, True])
def test_a_click_sorts_numbers_as_numbers_and_leaves_missing_ones_last(tmp_path, grouped):
    frame = pd.DataFrame({"n": [0.5, np.nan, 1e-20, -100.0]})
    details = [Markup("<p>of {}</p>").format(n) for n in frame["n"]] if grouped else None
    html = report.page("t", "", [Section("s", "s", report.data_table(frame, details=details))])
    click = "document.querySelector('th button').click()"
    html = re.sub(r'<meta http-equiv="Content-Security[^>]*>', "", html)
    dash = report.ABSENT
    for clicks, expected in (
        (1, ["-100", "1e-20", "0.5", dash]),
        (2, ["0.5", "1e-20", "-100", dash]),
    ):
        again = html.replace("</body>", f"<script>{(click + ';') * clicks}</script></body>")
        dom, log = dumped(again, tmp_path)
        assert log == ""
        shown = re.findall(r'<td class="r"[^>]*>(.*?)</td>', dom)
        assert [text.replace(report.MINUS, "-") for text in shown] == expected
        if grouped:
            below = re.findall(r"<p>of (\S+)</p>", dom)
            numbers = ["nan" if text == dash else str(float(text)) for text in expected]
            assert below == numbers
