import dataclasses
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.errors import InputProblems
from tasks.design.page.content import DesignPage
from tasks.design.page.designs import mutations, sequence_block
from tasks.design.page.document import design_page
from tasks.design.page.plots import front_mask
from tasks.report.logo import AMINO_ACIDS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PARENT = "MKVLAT"
EVIL = "<script>alert(1)</script>"


def example(**changes) -> DesignPage:
    """Four designs of a parent of six residues, two of them kept."""
    table = pd.DataFrame(
        {
            "item": range(5),
            "id": ["wt", "d1", "d2", "d3", "d4"],
            "bits": [10.0, 12.0, 11.0, 3.0, np.nan],
            "plddt": [80.0, 70.0, 90.0, 60.0, np.nan],
            "outcome": ["dropped", "kept", "kept", "dropped", "failed"],
        }
    )
    top = pd.DataFrame(
        {
            "rank": [1, 2],
            "id": ["d1", "d2"],
            "sequence": ["MKVLGT", "MRVLAT"],
            "bits": [12.0, 11.0],
            "plddt": [70.0, 90.0],
        }
    )
    counts = np.zeros((6, 20), np.int64)
    for sequence in top["sequence"]:
        counts[range(6), [AMINO_ACIDS.index(a) for a in sequence]] += 1
    data = DesignPage(
        run_name="run-7",
        started="2026-03-04 10:12 UTC",
        seconds=125.0,
        parent_id="wt",
        parent=PARENT,
        table=table,
        top=top,
        objectives=[("bits", "maximise"), ("plddt", "maximise")],
        funnel=pd.DataFrame(
            {"stage": ["filter"], "items_in": [5], "dropped": [2], "failed": [1], "items_out": [2]}
        ),
        stages=pd.DataFrame({"stage": ["filter"], "needs": [["make"]], "seconds": [1.5]}),
        near_misses=pd.DataFrame({"id": ["d3"], "missed_by": [0.5]}),
        what_if={
            "bits >= 11": pd.DataFrame({"threshold": [10.0], "kept_then": [3], "gained": [1]})
        },
        diversity={"mean identity": 0.667},
        position_counts=counts,
        versions={"seqloom": "0.1.0"},
        methods=pd.DataFrame(
            {"column": ["bits"], "method": ["profile"], "unit": ["bit"], "source": ["Eddy 2011"]}
        ),
        files=[("tables/items 1.parquet", "all items"), ("javascript:alert(1)", "no link")],
        warnings=["only 2 of 3 designs could be selected"],
    )
    return dataclasses.replace(data, **changes)


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", html))


def test_the_page_opens_with_the_outcome_in_one_sentence():
    assert (
        "2 of 5 designs from wt (6 residues) were kept in 2 min 5 s; 2 were dropped and 1 failed. "
        "Ranked first: d1 with bits 12, plddt 70. 1 warning."
    ) in text_of(design_page(example()))


def test_the_parts_stand_in_the_promised_order():
    anchors = re.findall(r'<section id="([^"]*)"', design_page(example()))
    assert " ".join(anchors) == (
        "summary funnel plan distributions pareto logo positions diversity near-misses what-if "
        "top methods warnings files"
    )


def test_a_run_that_made_nothing_has_a_page():
    empty = example()
    nothing = {
        name: getattr(empty, name)[:0]
        for name in ("table", "top", "funnel", "stages", "near_misses", "methods")
    }
    html = design_page(
        dataclasses.replace(
            empty,
            **nothing,
            parent_id="",
            parent="",
            what_if={},
            diversity={},
            files=[],
            position_counts=None,
            versions={},
            warnings=[],
        )
    )
    assert "0 of 0 designs were kept" in html
    assert "No design was kept." in html
    assert re.findall(r'<section id="([^"]*)"', html) == ["summary", "top"]


def test_designs_of_several_lengths_get_the_logo_of_all_kept_ones():
    top = example().top.assign(sequence=["MKVLGT", "MKVLGTT"])
    assert "All kept designs (the top designs differ in length)" in design_page(example(top=top))
    html = design_page(example(top=top, position_counts=None))
    assert 'id="logo"' not in html


def test_ids_and_messages_cannot_become_markup():
    plain = example()
    data = dataclasses.replace(
        plain,
        run_name=EVIL,
        parent_id=EVIL,
        table=plain.table.assign(id=EVIL),
        top=plain.top.assign(id=EVIL, sequence=[EVIL, EVIL]),
        near_misses=pd.DataFrame({EVIL: [EVIL]}),
        what_if={EVIL: pd.DataFrame({EVIL: [EVIL]})},
        versions={EVIL: EVIL},
        files=[(EVIL, EVIL)],
        warnings=[EVIL],
        diversity={EVIL: 1.0},
    )
    html = design_page(data)
    assert "<script>alert" not in html
    assert html.count("<script") == 1


def test_only_files_beside_the_page_are_links():
    html = design_page(example(files=[("a b.csv", ""), ("javascript:1", ""), ("s3://b/k", "")]))
    links = re.findall(r'<a href="([^#"]*)"><code>', html)
    assert links == ["./a%20b.csv"]


def test_a_missing_column_is_named():
    plain = example()
    with pytest.raises(InputProblems, match="run-7, table: no column 'outcome'"):
        example(table=plain.table.drop(columns="outcome"))
    with pytest.raises(InputProblems, match=r"position_counts: \(6, 3\); expected \(L, 20\)"):
        example(position_counts=np.zeros((6, 3), np.int64))


def test_the_front_and_the_parent_are_drawn_by_name():
    html = design_page(example())
    assert set(re.findall(r"<circle [^>]*><title>(.*?)</title>", html)) == {"d1", "d2"}
    assert "Pareto front: 2" in html
    assert "<title>parent wt</title>" in html


def test_distributions_compare_all_designs_with_the_kept_ones():
    html = design_page(example())
    assert "all: 4, median 10.5, 1 without a value" in html
    assert "kept: 2, median 11.5" in html
    assert "bits [bit]" in html
    assert "<title>parent: 10</title>" in html


def test_minimising_turns_the_front_around():
    html = design_page(example(objectives=[("bits", "minimise"), ("plddt", "maximise")]))
    assert re.findall(r"<circle [^>]*><title>(.*?)</title>", html) == ["d2"]


def test_a_target_has_no_front():
    html = design_page(example(objectives=[("bits", "target"), ("plddt", "maximise")]))
    assert 'id="pareto"' in html
    assert "<circle" not in html


SMALL = st.integers(0, 4).map(float) | st.just(float("nan"))


@given(st.lists(st.tuples(SMALL, SMALL), max_size=12, unique=True))
def test_the_front_is_what_nothing_dominates(points):
    x, y = (np.array([p[i] for p in points], float) for i in (0, 1))
    expected = [
        not np.isnan(a + b) and not any(c >= a and d >= b and (c, d) != (a, b) for c, d in points)
        for a, b in points
    ]
    assert front_mask(x, y).tolist() == expected


def test_only_residues_that_differ_from_the_parent_are_marked():
    block = sequence_block("MKVLGTWY", "MKVLATWW")
    assert re.findall(r"<b>(.*?)</b>", block) == ["G", "Y"]


def test_a_sequence_is_folded_after_60_residues_below_its_ruler():
    lines = re.sub(r"<[^>]*>", "", sequence_block("A" * 59 + "C" + "D" * 12)).split("\n")
    assert [line.strip() for line in lines[1::2]] == ["1 " + "A" * 59 + "C", "61 " + "D" * 12]
    assert lines[0].index("60") + 1 == lines[1].index("C")  # the last digit stands above
    assert lines[2].endswith("70")
    assert len(lines[2]) == lines[3].index("D") + 10


@pytest.mark.parametrize(
    ("sequence", "expected"),
    [
        ("MKVLAT", []),
        ("MRVLAG", ["K2R", "T6G"]),
        ("MKLAT", ["V3del"]),
        ("MKAT", ["V3_L4del"]),
        ("MKVGGLAT", ["3_4insGG"]),
        ("WMKVLAT", ["0_1insW"]),
    ],
)
def test_changes_are_named_by_the_position_in_the_parent(sequence, expected):
    assert mutations(sequence, PARENT) == expected


def test_the_residue_after_a_deletion_has_an_edge():
    assert re.findall(r"<i>(.*?)</i>", sequence_block("MKLAT", PARENT)) == ["L"]


def test_the_heat_map_counts_mutations_and_dots_the_parent():
    html = design_page(example())
    body = html[html.index('id="positions"') : html.index('id="diversity"')]
    assert set(re.findall(r"<title>(.*?)</title>", body)) == {"2 R: 1", "5 G: 1"}
    (dots,) = re.findall(r'<path class="dots" d="([^"]*)"', body)
    places = set(re.findall(r"M(\S+) (\S+)h0", dots))
    assert len(places) == len(PARENT)
    assert ("48", "82") in places  # M, the sixth row of GAVLIM, at position 1
    assert "2 of 6" in html  # positions changed


def large(rows: int) -> DesignPage:
    rng = np.random.default_rng(5)
    length = 300
    parent = "".join(rng.choice(list(AMINO_ACIDS), length))
    columns = {f"score_{i}": rng.normal(size=rows) for i in range(20)}
    table = pd.DataFrame({"item": range(rows), "id": [f"d{i}" for i in range(rows)], **columns})
    table["outcome"] = np.where(table["score_0"] > 0, "kept", "dropped")
    top = table.loc[table["outcome"] == "kept"].head(1_000)
    top = top.assign(
        rank=range(1, len(top) + 1),
        sequence=["".join(row) for row in rng.choice(list(AMINO_ACIDS), (len(top), length))],
    )
    return example(
        parent=parent,
        table=table,
        top=top,
        near_misses=table.head(1_000),
        objectives=[("score_0", "maximise"), ("score_1", "minimise")],
        position_counts=rng.integers(0, 9, (length, 20)),
    )


def test_a_hundred_thousand_designs_make_less_than_a_megabyte_and_a_half():
    html = design_page(large(100_000))
    assert len(html.encode()) < 1_500_000
    assert "800 more in tables/items 1.parquet." in html


@pytest.mark.tool
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_browser_shows_the_page_without_a_complaint(tmp_path):
    (tmp_path / "page.html").write_text(design_page(example()), encoding="utf-8")
    run = subprocess.run(
        [
            CHROMIUM,
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *("--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"),
            f"file://{tmp_path / 'page.html'}",
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert [line for line in run.stderr.splitlines() if "CONSOLE" in line] == []
    for content in ("2 of 5 designs from wt", "1 change: A5G", "bits &gt;= 11", "Sort by this"):
        assert content in run.stdout
