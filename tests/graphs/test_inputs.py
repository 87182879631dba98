"""Items of a run: from a file, a folder, or the parameters."""

import pytest

from blocks.errors import InputError
from tasks.graphs.inputs import opened
from tasks.graphs.model import GraphInput


def test_a_folder_of_texts_in_the_order_of_their_names(tmp_path):
    for name, text in {"b.txt": "two", "a.txt": "one", "c.md": "other", ".d.txt": "hidden"}.items():
        (tmp_path / name).write_text(text)
    source = opened(GraphInput(source=str(tmp_path)))

    assert list(source.items()) == [{"id": "a", "text": "one"}, {"id": "b", "text": "two"}]
    assert (source.survey.items, source.survey.fields) == (2, {"id": str, "text": str})


def test_relative_places_begin_at_the_folder_of_data(tmp_path, monkeypatch):
    (tmp_path / "x.csv").write_text("id,text\n1,hello\n")
    monkeypatch.setenv("SEQLOOM_DATA", str(tmp_path))

    assert list(opened(GraphInput(source="x.csv")).items()) == [{"id": 1, "text": "hello"}]


def test_texts_and_items_of_the_form():
    assert list(opened(GraphInput(texts=("a",))).items()) == [{"text": "a"}]
    assert list(opened(GraphInput(items=({"n": 1},))).items()) == [{"n": 1}]


def test_the_digest_is_of_the_items_with_their_types():
    digests = {opened(GraphInput(items=({"n": n},))).digest for n in (1, 1.0, True, "1")}

    assert len(digests) == 4


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "input: nothing given; expected source, texts or items"),
        ({"source": "nowhere", "format": "folder"}, "nowhere: no such folder; expected a folder"),
        ({"source": "nowhere.jsonl"}, "nowhere.jsonl: no such file"),
        ({"source": "empty"}, r"empty: no file called \*.txt; expected at least one"),
    ],
    ids=["nothing", "no folder", "no file", "empty folder"],
)
def test_what_is_no_input_is_told(tmp_path, monkeypatch, given, message):
    monkeypatch.setenv("SEQLOOM_DATA", str(tmp_path))
    (tmp_path / "empty").mkdir()

    with pytest.raises(InputError, match=message):
        opened(GraphInput(**given))
