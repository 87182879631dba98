"""A sentence stays only if what it says stands in what it cites, whoever wrote it."""

import pytest

from tasks.agents.checking import checked, markdown, problem, wilson_low
from tasks.agents.evidence import Place, resolve, unit_of
from tasks.agents.findings import Sentence, sentences, shown
from tasks.agents.model import SynthesisParams
from tasks.agents.table_data import TableData

ROWS = [
    {"id": "P02144", "score": 0.97, "count": 12, "kept [%]": 41.5, "note": "seen on 2024-03-05"},
    {"id": "V600E", "score": 0.5, "count": 1987, "kept [%]": 3.0, "note": "2 of 7 failed"},
    {"id": "x", "score": None, "count": 12, "kept [%]": 3.0, "note": ""},
]
TABLES = {"hits": TableData("hits", ROWS, id="id", best="score", about="hit")}
FIRST = Place(table="hits", row=1, columns=("score", "count", "kept [%]", "note"))
COUNTS = Place(table="hits", columns=("count",), figures=("max", "mean", "equal"), equals="12")


def said(text, *places):
    return Sentence(section="S", text=text, places=places or (FIRST,))


@pytest.mark.parametrize(
    ("column", "values", "unit"),
    [
        ("percent_identity", (87.5, 0.3), "%"),
        ("percent_identity", (0.87, 0.3), ""),  # fractions under a name of percent: either
        ("percentile", (97.5, 3.0), ""),
        ("expression", (0.87, 0.3), "share"),
        ("expression", (1.87, 0.3), ""),
    ],
)
def test_a_unit_is_told_only_where_name_and_values_agree(column, values, unit):
    table = TableData("hits", [{column: value} for value in values])
    assert unit_of(table, column) == unit


@pytest.mark.parametrize(
    "text",
    [
        "P02144 scores 0.97, so 97 %.",
        "It was counted 12 times and 41.5 % were kept on 5 March 2024.",
        "Twelve were counted.",
        "No numbers at all.",
    ],
)
def test_what_stands_there_stays(text):
    assert problem(said(text), TABLES) == ""


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("P02145 scores 0.97.", "P02145"),
        ("V600E scores 0.97.", "V600E"),
        ("It scores 0.98.", "0.98"),
        ("It scores 97.", "97"),
        ("41.5 were kept.", "41.5"),
        ("12 % were kept.", "12 %"),
        ("1,987 were counted.", "1,987"),
        ("Thirteen were counted.", "Thirteen"),
        ("It was 6 March 2024.", "6 March 2024"),
        ("Thousands were counted.", "Thousands"),
    ],
)
def test_what_does_not_stand_there_goes(text, missing):
    summary = checked([said(text), said("It scores 0.97.")], TABLES)

    assert [one.text for one in summary.kept] == ["It scores 0.97."]
    assert summary.dropped[0].reason == f"not in what it cites: {missing}"
    assert missing in markdown("T", summary).split("## Left out")[1]


@pytest.mark.parametrize(
    "place",
    [
        Place(table="hits", row=4, columns=("score",)),
        Place(table="hits", row=1, columns=("scores",)),
        Place(table="other", figures=("rows",)),
        Place(table="hits", columns=("note",), figures=("mean",)),
        Place(table="hits", columns=("score", "count"), figures=("mean",)),
    ],
)
def test_a_place_that_is_not_there_supports_nothing(place):
    assert problem(said("Fine.", place), TABLES).startswith("cites what is not there")


def test_a_sentence_without_a_citation_goes():
    summary = checked([Sentence(section="S", text="All is well.", places=())], TABLES)
    assert summary.dropped[0].reason == "cites nothing"


def test_figures_are_worked_out_from_the_table():
    found = resolve(COUNTS, TABLES)
    assert found.values == {"max": 1987, "mean": pytest.approx(2011 / 3), "equal": 2}
    assert problem(said("At most 1,987, on average 670.3, 12 of it 2 times.", COUNTS), TABLES) == ""
    assert problem(said("On average 671.3.", COUNTS), TABLES)


def test_numbers_that_touch_when_a_citation_is_taken_out_are_not_joined():
    summary = checked([said("It was counted 1[1]2 times.")], TABLES)
    assert summary.kept == ()


def test_places_are_numbered_as_they_are_cited_and_told():
    summary = checked([said("Counted 1,987 times.", COUNTS), said("Scores 0.97.")], TABLES)
    text = markdown("Title", summary)

    assert "Counted 1,987 times [1].  \nScores 0.97 [2].  " in text
    assert "2. hits, row 1 (P02144): score = 0.97, count = 12, kept \\[%\\] = 41.5" in text


def test_markdown_of_others_shows_as_text():
    evil = "See [this](http://x.org) <script>*now*</script>."
    text = markdown("T", checked([said(evil)], TABLES))
    assert "\\[this\\](http://x.org) \\<script\\>\\*now\\*" in text


def test_confidence_grows_with_what_was_checked_and_falls_with_what_was_not_found():
    assert 0 == wilson_low(0, 0) < wilson_low(1, 1) < wilson_low(50, 50) < 1
    assert wilson_low(49, 50) < wilson_low(50, 50)


def test_the_offline_sentences_hold_in_any_tables():
    odd = TableData(
        "odd table 7",
        [
            {"name": f"r{n}", "v 2": v, "t": t, "f": n / 7, "tiny": v * 1e-9, "yes": n % 2 == 0}
            for n, (v, t) in enumerate([(1.5, "a 5 %"), (-3, "b"), (1e12, "b"), (0.1, None)])
        ],
        best="v 2",
        about="row",
    )
    made = sentences([*TABLES.values(), odd], [], SynthesisParams(sentences=200))
    summary = checked(made, {**TABLES, odd.name: odd})

    assert len(made) > 8
    assert summary.dropped == ()
    assert summary.numbers > 20
    assert summary.written == summary.numbers


def test_sentences_are_as_many_as_asked_for_and_each_source_comes_first():
    two = [TableData(name, ROWS, best="count", about="hit") for name in ("a", "b")]
    made = sentences(two, [], SynthesisParams(sentences=4))
    assert len(made) == 4
    assert {place.table for one in made for place in one.places} == {"a", "b"}


def test_ranks_by_what_is_best():
    table = TableData("hits", ROWS, id="id", best="count", goal="minimise", about="hit")
    made = sentences([table], [], SynthesisParams(best_rows=1))
    assert any(one.text.startswith("The best hit is P02144: count 12") for one in made)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1987, "1,987"),
        (12.0, "12"),
        (0.000123456, "0.0001235"),
        (-1234.56, "-1,234.6"),
        (True, "yes"),
    ],
)
def test_cells_as_sentences_say_them(value, text):
    assert shown(value) == text
