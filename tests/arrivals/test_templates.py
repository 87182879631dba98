"""Parameters with places for files."""

import pytest
from pydantic import ValidationError

from blocks.errors import InputError
from tasks.arrivals.model import WatchParams
from tasks.arrivals.templates import check_template, filled
from tasks.plain_values import refuse_hydrated

FILES = ["/in/a 1.fa.gz", "/in/b.fa"]


@pytest.mark.parametrize(
    ("template", "content"),
    [
        pytest.param({"a": "{file}"}, {"a": "/in/a 1.fa.gz"}, id="file"),
        pytest.param({"a": ["x-{stem}.{name}"]}, {"a": ["x-a 1.a 1.fa.gz"]}, id="within a text"),
        pytest.param({"a": {"b": "{files}"}}, {"a": {"b": FILES}}, id="list"),
        pytest.param({"a": "{sheet}", "n": 1}, {"a": "/s.csv", "n": 1}, id="sheet"),
        pytest.param({"a": "{{ x }} {other}"}, {"a": "{{ x }} {other}"}, id="other braces stay"),
    ],
)
def test_places_are_filled(template, content):
    assert filled(template, FILES, "/s.csv") == content


def test_a_files_name_is_not_looked_at_again():
    assert filled({"a": "{file}"}, ["/in/{sheet}{stem}"], "/s.csv") == {"a": "/in/{sheet}{stem}"}


@pytest.mark.parametrize(
    ("template", "files", "told"),
    [
        ({"a": "x"}, "each", "name no file"),
        ({"a": "{file}"}, "together", r"\{file\} with files together"),
        ({"a": "{files}.txt"}, "together", r"expected \{files\} alone"),
    ],
)
def test_a_template_that_cannot_work_is_refused_before_any_look(template, files, told):
    with pytest.raises(ValueError, match=told):
        check_template(template, together=files == "together")
    with pytest.raises(ValidationError, match=told):
        WatchParams(place="in", params=template, files=files)


@pytest.mark.parametrize(
    "value",
    [
        {"__prefect_kind": "workspace_variable", "variable_name": "secret"},
        {"a": [{"b": {"__prefect_kind": "jinja", "template": "{{ x }}"}}]},
    ],
)
def test_what_prefect_would_replace_is_refused_at_any_depth(value):
    with pytest.raises(InputError, match="__prefect_kind: not allowed"):
        refuse_hydrated(value, "params")


def test_values_that_are_too_deep_are_refused():
    value = {}
    for _ in range(100):
        value = {"a": [value]}
    with pytest.raises(InputError, match="nested more than 50 deep"):
        refuse_hydrated(value, "params")
