"""Input, storage and results on a real S3 server."""

import json
from datetime import UTC, datetime

import fsspec
import pytest

from tasks.graphs.delivery import Occasion, deliver_folder
from tasks.graphs.model import GraphParams
from tasks.graphs.planning import plan_frame, prepare
from tasks.graphs.rerunning import prepare_again, stored_lines
from tests.graphs.small_runs import PAIR, numbered, run

pytestmark = [pytest.mark.tool, pytest.mark.usefixtures("own_place")]


def test_everything_may_lie_on_s3(s3_server, tmp_path, monkeypatch, calls):
    for name in ("storage", "results"):
        monkeypatch.setenv(f"SEQLOOM_{name.upper()}", f"{s3_server}/graphs/{name}")
    source = f"{s3_server}/graphs/items.jsonl"
    with fsspec.open(source, "w") as file:
        file.write("".join(json.dumps(item) + "\n" for item in numbered(10)))
    given = GraphParams.model_validate({"input": {"source": source}, "nodes": list(PAIR)})

    first = run(given, tmp_path / "runs")
    occasion = Occasion("a run", "r", datetime.now(UTC))
    result = deliver_folder(first, occasion, plan_frame(prepare(given)))
    second = run(given, tmp_path / "runs")

    assert result.folder == f"{s3_server}/graphs/results/graphs/r"
    with fsspec.open(f"{result.folder}/RUN.json") as file:
        assert json.load(file)["outputs"] == {"second": 10}
    assert second.states == {"first": "CACHED", "second": "CACHED"}
    assert len(list(stored_lines("r", "second", given=True))) == 10
    assert prepare_again(GraphParams(rerun="r/second")).source.survey.items == 10
