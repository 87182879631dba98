"""What references stand for."""

import pytest

from blocks.errors import InputError
from tasks.workflows.references import Named, UnknownError, references, resolved

VALUES = {
    "a.items": 3,
    "a.names": ["x", "y"],
    "a.tables.rows": "/r/a/rows.csv",
    "inputs.word": "w",
    "inputs.zero": 0,
}


def lookup(named: Named):
    return VALUES.get(str(named))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("${a.items}", 3, id="alone it keeps its type"),
        pytest.param("${a.names}", ["x", "y"], id="lists too"),
        pytest.param("n=${a.items}/${inputs.word}", "n=3/w", id="within text it is text"),
        pytest.param("${b.items | a.tables.rows}", "/r/a/rows.csv", id="the first there is"),
        pytest.param("${b.items | 'none | at all'}", "none | at all", id="quoted bars are text"),
        pytest.param("${b.items | ''}", "", id="empty text"),
        pytest.param("${inputs.zero | a.items}", 0, id="zero is there"),
        pytest.param("$${a.items}", "${a.items}", id="escaped"),
        pytest.param("costs $5", "costs $5", id="no reference"),
    ],
)
def test_a_reference_stands_for_its_value(text, value):
    assert resolved({"deep": [text]}, lookup) == {"deep": [value]}


def test_nothing_there_is_told():
    with pytest.raises(UnknownError, match=r"b\.items"):
        resolved("${b.items}", lookup)


def test_a_list_within_text_is_refused():
    with pytest.raises(InputError, match="expected it to stand alone"):
        resolved("names: ${a.names}", lookup)


@pytest.mark.parametrize("text", ["${}", "${a}", "${a.b + 1}", "${a.b | }", "${__import__('os')}"])
def test_what_is_no_reference_is_refused(text):
    with pytest.raises(InputError, match=r"expected step\.field"):
        list(references(text))


def test_places_of_references_are_found():
    found = references({"x": [1, {"y": "${a.b}"}], "z": "${c.d}${e.f}"})
    assert [(path, one.text) for path, one in found] == [
        (("x", 1, "y"), "a.b"),
        (("z",), "c.d"),
        (("z",), "e.f"),
    ]
