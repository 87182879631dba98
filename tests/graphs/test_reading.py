"""Items out of files."""

import gzip
import io
from typing import Any

import pandas as pd
import pytest

from blocks.errors import InputError
from tasks.item_reading import file_items, kind_of, surveyed, text_item


def items(content, name):
    data = content if isinstance(content, bytes) else content.encode()
    return list(file_items(lambda: io.BytesIO(data), name, kind_of(name)))


def parquet(rows):
    target = io.BytesIO()
    pd.DataFrame(rows).to_parquet(target)
    return target.getvalue()


ROWS = [{"id": "a", "n": 1}, {"id": "b", "n": 2}]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.jsonl", '{"id":"a","n":1}\n\n{"id":"b","n":2}'),
        ("x.jsonl.gz", gzip.compress(b'{"id":"a","n":1}\n{"id":"b","n":2}\n')),
        ("x.csv", "id,n\na,1\nb,2\n"),
        ("x.TSV", "\ufeffid\tn\r\na\t1\r\nb\t2"),
        ("x.parquet", parquet(ROWS)),
    ],
    ids=["jsonl", "jsonl.gz", "csv", "tsv", "parquet"],
)
def test_all_formats_give_the_same_items(name, content):
    assert items(content, name) == ROWS


def test_a_line_of_text_is_an_item_with_that_text():
    assert items('"one"\n"two"', "x.jsonl") == [{"text": "one"}, {"text": "two"}]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "2"], [1, 2]),
        (["1", "2.5", ""], [1.0, 2.5, None]),
        (["1e3", "-0.5"], [1000.0, -0.5]),
        (["007", "8"], ["007", "8"]),
        (["1", "x"], ["1", "x"]),
        (["nan", "1"], ["nan", "1"]),
    ],
    ids=["whole", "empty", "exponent", "leading zeros", "text", "nan"],
)
def test_a_column_is_numbers_where_all_its_cells_are(cells, expected):
    text = "id,v\n" + "".join(f"{n},{cell}\n" for n, cell in enumerate(cells))

    assert [item["v"] for item in items(text, "x.csv")] == expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.jsonl", '{"a":1}\n{"a":', r"x.jsonl, line 2: .*; expected a JSON object in each line"),
        ("x.jsonl", "[1]", r"x.jsonl, line 1: is a list; expected a JSON object in each line"),
        ("x.jsonl", '{"a": NaN}', "line 1: .*expected a JSON object"),
        ("x.csv", "a,b\n1,2\n3\n", "x.csv, line 3: 1 cells; expected 2, as in the head"),
        ("x.csv", "a,a\n1,2\n", "column 'a' twice; expected each name once"),
        ("x.csv", 'a\n"1\n', "x.csv, line 2: .*expected cells, with quotes closed"),
        ("x.jsonl", "5", r"x.jsonl, line 1: is a number; expected a JSON object in each line"),
        ("x.jsonl", "null", r"x.jsonl, line 1: is null; expected a JSON object in each line"),
        ("x.jsonl", b'{"a":"\xff"}', "x.jsonl, line 1: is not UTF-8; expected text in UTF-8"),
        ("x.csv", b"a\n\xff\n", "x.csv, line 2: is not UTF-8; expected text in UTF-8"),
        ("x.csv", b"a\n" + b"b\n" * 9_000 + b"\xff\n", "x.csv, line 9002: is not UTF-8"),
        ("x.jsonl.gz", gzip.compress(b'{"a":1}\n' * 9)[:-5], "expected a whole gzip file"),
        ("x.parquet", "no", "x.parquet: .*; expected a Parquet file"),
        ("x.jsonl", '{"a": ' + "[" * 900 + "]" * 900 + "}", "line 1: nested more than 100"),
        ("x.doc", "", "x.doc: its name tells no format; expected a name that ends in .jsonl"),
    ],
    ids=["cut", "list", "nan", "row", "twice", "quote", "number", "null", "latin line",
         "latin cell", "latin later", "cut gzip", "parquet", "deep", "doc"],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(name, content, message):
    with pytest.raises(InputError, match=message):
        items(content, name)


def test_a_survey_tells_number_fields_and_types():
    found = surveyed([{"a": 1, "b": "x"}, {"a": 2.0, "b": "y", "c": True}], "x")

    assert found.items == 2
    assert found.fields == {"a": Any, "b": str, "c": bool}
    assert found.seen == {"a": 2, "b": 2, "c": 1}


def test_an_input_without_items_is_refused():
    with pytest.raises(InputError, match="x: no items; expected at least one"):
        surveyed([], "x")


def test_a_file_of_a_folder_is_an_item():
    assert text_item("one.two.txt", "é".encode()) == {"id": "one.two", "text": "é"}
    with pytest.raises(InputError, match=r"a\.txt: byte 1 is no UTF-8; expected text"):
        text_item("a.txt", b"\xff")
