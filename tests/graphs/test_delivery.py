"""The folder of a run, the page, and a node that is run again."""

import csv
import hashlib
import json
import math
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from blocks.errors import InputError, SeqloomError
from deployments.graph_runs import recorded_run
from tasks.graphs.accounts import require_sums
from tasks.graphs.delivery import Occasion, deliver_folder
from tasks.graphs.functions import FUNCTIONS
from tasks.graphs.model import GraphParams
from tasks.graphs.planning import plan_frame, prepare
from tasks.graphs.rerunning import prepare_again, stored_lines
from tasks.graphs.running import execute
from tasks.graphs.tables import columns_of, write_tables
from tasks.graphs.tally import Tally
from tests.graphs.small_runs import PAIR, lines, numbered, output, params, python, run

NOTHING = {"enabled": False}
"""Keeps no answers: a closure over what is no JSON has no name."""
pytestmark = pytest.mark.usefixtures("own_place")


def delivered(given: GraphParams, place: Path, name: str = "r"):
    ended = run(given, place / "runs")
    occasion = Occasion("a run", name, datetime.now(UTC))
    result = deliver_folder(ended, occasion, plan_frame(ended.run))
    return result, Path(result.folder)


def test_the_folder_is_whole_and_counts_add_up(tmp_path, calls):
    source = lines(tmp_path / "items.jsonl", numbered(10, 3))
    keep = {"name": "kept", "uses": "filter", "needs": ["second"], "with": {"keep": "two > 6"}}
    result, folder = delivered(params(source, (*PAIR, keep)), tmp_path)

    assert (result.items, result.failed, result.outputs) == (10, 1, {"kept": 6})
    nodes = pd.read_csv(folder / "nodes.csv").set_index("node")
    ends = nodes["out"] + nodes["spread"] + nodes["skipped"] + nodes["failed"]
    assert (nodes["items"] == ends).all()
    assert nodes.loc["second", ["skipped", "out"]].tolist() == [1, 9]
    assert nodes.loc["kept", ["skipped", "out"]].tolist() == [4, 6]
    for line in (folder / "checksums.sha256").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert json.loads((folder / "RUN.json").read_text())["states"]["first"] == "COMPLETED"
    assert pd.read_parquet(folder / "kept.parquet")["two"].tolist() == [10, 12, 14, 16, 18, 20]
    assert pd.read_csv(folder / "kept.csv")["two"].tolist() == [10, 12, 14, 16, 18, 20]
    assert (folder / "failed.jsonl").read_text() == '{"id":3,"bad":true}\n'


def test_the_page_shows_nodes_items_and_errors_and_runs_no_text(tmp_path, calls):
    bad = "<script>alert(1)</script>"
    source = lines(tmp_path / "items.jsonl", [{"id": 1, "text": bad}, {"id": 2, "bad": True}])
    _, folder = delivered(params(source), tmp_path)

    page = (folder / "report.html").read_text()
    assert bad not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "ValueError: cannot do 2" in page
    assert 'href="#node-0"' in page
    assert 'id="node-0"' in page


def test_a_graph_that_ran_can_be_run_again_from_its_folder(tmp_path, calls):
    source = lines(tmp_path / "items.jsonl", numbered(3))
    _, folder = delivered(params(source), tmp_path)
    given = {"input": {"source": str(source)}, "graph": str(folder / "graph.yaml"), "chunk": 4}
    again = run(GraphParams.model_validate(given), tmp_path / "runs")

    assert again.states == {"first": "CACHED", "second": "CACHED"}


def test_a_node_is_run_again_from_its_stored_inputs(tmp_path, calls):
    source = lines(tmp_path / "items.jsonl", numbered(5, 2))
    _, folder = delivered(params(source), tmp_path)
    calls["one"].clear()
    calls["two"].clear()
    again = prepare_again(GraphParams(rerun=f"{folder}/second", refresh=True))
    place = tmp_path / "again"
    place.mkdir()
    ended = execute(again, place)

    assert calls == {"one": [], "two": [0, 1, 3, 4]}
    assert (place / "second.jsonl").read_text() == (folder / "second.jsonl").read_text()
    assert ended.states == {"second": "COMPLETED"}
    lines_ = [json.loads(line) for line in stored_lines("r", "first", given=False)]
    assert lines_[2] == {"failed": "ValueError: cannot do 2"}
    assert lines_[4] == {"value": {"id": 4, "one": 5}}
    assert [json.loads(one)["id"] for one in stored_lines("r", "second", given=True)] == [
        0,
        1,
        3,
        4,
    ]


def test_a_join_is_run_again_from_what_it_got(tmp_path, calls):
    source = lines(tmp_path / "items.jsonl", numbered(3))
    nodes = (
        python("a", "one"),
        python("b", "one"),
        {"name": "both", "uses": "merge", "needs": ["a", "b"]},
    )
    _, folder = delivered(params(source, nodes), tmp_path)
    place = tmp_path / "again"
    place.mkdir()
    execute(prepare_again(GraphParams(rerun=f"{folder}/both")), place)

    assert (place / "both.jsonl").read_text() == (folder / "both.jsonl").read_text()


@pytest.mark.parametrize(
    ("rerun", "message"),
    [
        ("second", "rerun: 'second'; expected RUN/NODE"),
        ("nothing/second", "run 'nothing': holds no run of graphs; expected a folder"),
        ("r/scond", r"run 'r': has no node 'scond'; .* \(did you mean 'second'\?\)"),
    ],
    ids=["form", "run", "node"],
)
def test_what_cannot_be_run_again_is_told(tmp_path, calls, rerun, message):
    delivered(params(lines(tmp_path / "items.jsonl", numbered(1))), tmp_path)

    with pytest.raises(InputError, match=message):
        prepare_again(GraphParams(rerun=rerun))


@pytest.mark.parametrize(
    ("odd", "told"),
    [
        (2**70, "Integer exceeds 64-bit range"),
        ("\ud800", "str is not valid UTF-8: surrogates not allowed"),
        ([1, {"x": math.nan}], "NaN or an infinite number"),
        ({1, 2}, "Type is not JSON serializable: set"),
        (json.loads("[" * 200 + "]" * 200), "nested more than 100 deep"),
        (json.loads("[" * 900 + "]" * 900), "Recursion limit reached"),
    ],
    ids=["large", "surrogate", "nan", "set", "deep", "deepest"],
)
def test_a_result_that_is_no_json_fails_alone(tmp_path, monkeypatch, odd, told):
    monkeypatch.setitem(FUNCTIONS, "odd", lambda item: {"v": odd if item["id"] == 1 else None})
    source = lines(tmp_path / "items.jsonl", numbered(3))
    result, folder = delivered(params(source, [python("node", "odd", cache=NOTHING)]), tmp_path)

    assert (result.error, result.failed, result.outputs) == ("", 1, {"node": 2})
    error = json.loads((folder / "errors.jsonl").read_text())
    assert error == {
        "node": "node", "item": "2", "error": f"result cannot be stored as JSON: {told}"
    }  # fmt: skip


def test_masked_fields_are_in_no_file_of_the_folder_nor_in_the_ledger(tmp_path, calls):
    items = [{"id": 1, "name": "Erika Muster"}, {"id": 2, "name": "Erika Muster", "bad": True}]
    nodes = [python("first", "one", mask=["name"])]
    given = GraphParams.model_validate({"input": {"items": items}, "nodes": nodes})
    folder = Path(recorded_run(prepare(given)).folder)

    assert pd.read_csv(folder / "first.csv")["name"].tolist() == ["***"]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in files if b"Muster" in path.read_bytes()] == []


def test_a_node_that_got_masked_fields_is_not_run_again(tmp_path, calls):
    nodes = (python("first", "one", mask=["id"]), PAIR[1])
    delivered(params(lines(tmp_path / "items.jsonl", numbered(1)), nodes), tmp_path)

    with pytest.raises(InputError, match="rerun: that run masked id in what node 'second' got; "):
        prepare_again(GraphParams(rerun="r/second"))


def test_counts_that_do_not_add_up_are_an_error():
    with pytest.raises(SeqloomError, match="node 'a': 3 items in, 2 ended"):
        require_sums({"a": Tally(items=3, passed=1, failed=1)})


def test_tables_have_the_type_that_fits_all_values(tmp_path):
    rows = [
        {"n": 1, "x": 1, "t": "a", "v": [1, 2.5], "b": True, "o": {"k": 1}, "m": 1},
        {"n": 2, "x": 0.5, "t": None, "v": [3], "b": False, "o": "text", "m": "x", "late": 7},
        "alone",
    ]
    source = tmp_path / "rows.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))

    assert write_tables(source, tmp_path / "t.parquet", tmp_path / "t.csv")

    assert columns_of(source) == {
        "n": "whole", "x": "number", "t": "text", "v": "vector", "b": "truth", "o": "other",
        "m": "other", "late": "whole", "value": "text",
    }  # fmt: skip
    table = pd.read_parquet(tmp_path / "t.parquet", dtype_backend="pyarrow")
    assert table["v"].tolist()[:2] == [[1.0, 2.5], [3.0]]
    assert table["o"].tolist()[:2] == ['{"k":1}', "text"]
    with (tmp_path / "t.csv").open() as file:
        cells = list(csv.DictReader(file))
    assert "v" not in cells[0]
    assert (cells[0]["b"], cells[1]["t"], cells[1]["late"]) == ("true", "", "7")


def test_a_run_that_a_node_ends_keeps_what_was_done(tmp_path, calls):
    source = lines(tmp_path / "items.jsonl", numbered(12, 9))
    nodes = (python("first", "one", on_error="fail"), PAIR[1])
    given = params(source, nodes, chunks_in_flight=1, workers=1)
    result, folder = delivered(given, tmp_path)

    assert result.error == "node 'first', item 10: ValueError: cannot do 9"
    assert result.states == {"first": "FAILED", "second": "CANCELLED"}
    written = (folder / "second.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in written] == [*range(8)]
    assert (
        "The run ended early: node &#39;first&#39;, item 10" in (folder / "report.html").read_text()
    )


def test_plans_tell_what_is_stored_and_call_nothing(tmp_path, calls):
    source = lines(tmp_path / "items.jsonl", numbered(10))
    given = params(source)
    before = plan_frame(prepare(given))
    run(given, tmp_path / "runs")
    calls["one"].clear()
    after = plan_frame(prepare(given))

    assert before["stored"].tolist() == ["0", "0"]
    assert after["stored"].tolist() == ["10", "10"]
    assert before["items"].tolist() == ["10", "≤ 10"]
    assert calls["one"] == []


def test_an_output_without_items_is_an_empty_file(tmp_path, calls):
    source = lines(tmp_path / "items.jsonl", numbered(2, 0, 1))
    ended = run(params(source), tmp_path / "runs")

    assert output(ended) == []
    assert ended.gathered.failed_items == 2


def test_an_input_that_changes_while_it_is_read_is_told(tmp_path, calls):
    source = lines(tmp_path / "items.jsonl", numbered(3))
    prepared = prepare(params(source))
    lines(source, numbered(2))
    place = tmp_path / "runs"
    place.mkdir()

    error = execute(prepared, place).error
    assert str(error).endswith("items.jsonl: 2 items, and 3 before; expected an input that does "
                               "not change while it is read")  # fmt: skip


SPLIT = {"name": "parts", "uses": "split", "with": {"by": "sentences"}}


def test_what_fails_below_a_split_counts_as_its_item_of_the_input(tmp_path, calls):
    texts = [{"id": n, "text": "One. Two.", "bad": n == 1} for n in range(3)]
    source = lines(tmp_path / "items.jsonl", texts)
    result, folder = delivered(params(source, (SPLIT, python("first", "one", "parts"))), tmp_path)

    assert (result.failed, result.errors) == (1, 2)
    assert json.loads((folder / "failed.jsonl").read_text()) == texts[1]


def test_what_fails_after_an_aggregate_counts_as_a_failure_of_no_item(tmp_path, calls):
    source = lines(tmp_path / "items.jsonl", numbered(3))
    total = {"name": "total", "uses": "aggregate", "with": {"by": "id"}}
    result, folder = delivered(params(source, (total, python("late", "two", "total"))), tmp_path)

    assert (result.failed, result.errors) == (0, 3)
    assert not (folder / "failed.jsonl").exists()
