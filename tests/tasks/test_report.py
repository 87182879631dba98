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
from markupsafe import Markup

from blocks.errors import InputError
from tasks.report.funnel import FunnelRow, funnel_chart
from tasks.report.heat_map import heat_map
from tasks.report.histogram import histogram
from tasks.report.logo import logo
from tasks.report.number_text import ABSENT, MINUS, duration, plain_number
from tasks.report.page import Section, choice, key_numbers, page
from tasks.report.scatter import Point, scatter
from tasks.report.tables import MAX_ROWS, data_table

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
        key_numbers({text: text, "number": 1.0}),
        funnel_chart([FunnelRow(text, 3, 1, 1, 1)]),
        data_table(frame, label=text, where=text, max_rows=1, bars=["n"]),
        choice(text, {text: data_table(frame, details=[Markup("<i>x</i>")] * 2)}),
        histogram(text, {text: [1.0, 2.0]}, unit=text, marks={text: 1.0}),
        scatter(
            [1.0, 2.0],
            [1.0, 2.0],
            names=(text, text),
            what=text,
            front=[Point(1, 1, text)],
            marks=[Point(2, 2, text)],
        ),
        heat_map([[1.0]], [text], [text], value_name=text, marks=[(0, 0)], mark_name=text),
        logo(np.eye(20, dtype=int), reference="<" * 20),
    ]
    sections = [Section(text, f"s{i}", body, text) for i, body in enumerate(bodies)]
    return page(text, text, [*sections, Section("raw", "raw", text)])  # not Markup


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
        page("t", "", [Section("x", "a", Markup()), Section("y", "a", Markup())])


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
    assert plain_number(value) == text


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
    assert duration(seconds) == text


def cells(html: str) -> list[str]:
    return re.findall(r"<td[^>]*>(?:<svg.*?</svg>)?(.*?)</td>", html)


def test_a_column_of_numbers_shares_its_decimals():
    frame = pd.DataFrame({"bits": [120.456, 3.2, -0.00001, np.nan, *[7.0] * 20]})
    assert cells(data_table(frame))[:4] == ["120.5", "3.2", "0.0", "–"]  # noqa: RUF001


def test_a_column_of_very_different_sizes_keeps_its_small_numbers():
    frame = pd.DataFrame({"evalue": [1.0, 1e-20, 2e-30]})
    assert cells(data_table(frame))[1:] == ["1e−20", "2e−30"]  # noqa: RUF001


def test_missing_values_of_nullable_columns_are_dashes():
    frame = pd.DataFrame({"n": pd.array([1, None], "Int64"), "s": pd.array(["a", None], "string")})
    assert cells(data_table(frame)) == ["1", "a", "–", "–"]  # noqa: RUF001


def test_a_long_table_says_how_many_rows_are_missing_and_where_they_are():
    html = data_table(pd.DataFrame({"n": range(1234)}), where="items.parquet")
    assert html.count("<td") == MAX_ROWS
    assert "The first 200 of 1,234 rows; 1,034 more in items.parquet." in html


def test_the_first_cell_of_a_row_leads_to_its_page():
    frame = pd.DataFrame({"sample": ["a", "<b>"], "n": [1, 2]})
    html = data_table(frame, links=["", "b/b.html"])
    assert cells(html) == ["a", "1", '<a href="b/b.html">&lt;b&gt;</a>', "2"]


def test_the_largest_number_has_the_longest_bar():
    html = data_table(pd.DataFrame({"n": [5.0, 10.0, 0.0, -3.0]}), bars=["n"])
    assert re.findall(r'<rect width="([^"]*)"', html) == ["50", "100", "0", "0"]


def test_the_bars_of_a_stage_end_where_the_widest_stage_ends():
    html = funnel_chart([FunnelRow("a", 100, 20, 30, 50), FunnelRow("b", 50, 0, 0, 50)])
    boxes = re.findall(r'class="(\w+)" x="(\S+)" y="0" width="(\S+)"', html)
    assert boxes == [
        ("keep", "0", "50"),
        ("fail", "50", "30"),
        ("drop", "80", "20"),
        ("keep", "0", "50"),
    ]


def test_few_of_many_items_are_still_seen_in_the_funnel():
    html = funnel_chart([FunnelRow("a", 10**6, 0, 0, 10**6), FunnelRow("b", 1, 0, 0, 1)])
    assert re.findall(r'width="(\S+)"', html) == ["100", "0.4"]


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
    html = page("t", "", [Section("s", "s", data_table(frame, details=details))])
    click = "document.querySelector('th button').click()"
    html = re.sub(r'<meta http-equiv="Content-Security[^>]*>', "", html)
    dash = ABSENT
    for clicks, expected in (
        (1, ["-100", "1e-20", "0.5", dash]),
        (2, ["0.5", "1e-20", "-100", dash]),
    ):
        again = html.replace("</body>", f"<script>{(click + ';') * clicks}</script></body>")
        dom, log = dumped(again, tmp_path)
        assert log == ""
        shown = re.findall(r'<td class="r"[^>]*>(.*?)</td>', dom)
        assert [text.replace(MINUS, "-") for text in shown] == expected
        if grouped:
            below = re.findall(r"<p>of (\S+)</p>", dom)
            numbers = ["nan" if text == dash else str(float(text)) for text in expected]
            assert below == numbers
