"""`seqloom runs`: what failed, how to run it again, logs and statistics."""

import json
from pathlib import Path
from typing import Any

import pytest

from blocks import database, ledger
from blocks.errors import InputError
from deployments import cli
from deployments.failed_items import again, failed_frame


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Storage, results and ledger of one test."""
    monkeypatch.chdir(tmp_path)
    for name in ("storage", "results"):
        monkeypatch.setenv(f"SEQLOOM_{name.upper()}", str(tmp_path / name))
    monkeypatch.setenv("SEQLOOM_DATABASE", f"sqlite:///{tmp_path}/seqloom.db")
    yield
    database.close_connections()


def said(capfdbinary: pytest.CaptureFixture[bytes], *arguments: str) -> tuple[int, str, str]:
    status = cli.main(list(arguments))
    shown = capfdbinary.readouterr()
    return status, shown.out.decode(), shown.err.decode()


def recorded(pipeline: str, params: object, status: str = "completed", **output: Any) -> ledger.Run:
    row = ledger.start(pipeline, input_data={"params": params})
    error = None if status == "completed" else "no homologs"
    ledger.finish(row, status, output or None, error=error)  # type: ignore[arg-type]
    return ledger.run(row).run


def test_items_of_a_graph_that_failed_are_listed_and_run_again_alone(tmp_path, capfdbinary):
    words = "{name: words, uses: tokenise}"
    (tmp_path / "graph.yaml").write_text(f"nodes: [{words}]")
    items = [{"id": 1, "text": "a b"}, {"id": 2}, {"id": 3, "text": "c"}]
    (tmp_path / "items.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in items))
    assert said(capfdbinary, "graphs", "run", "graph.yaml", "--input", "items.jsonl")[0] == 3
    (run,) = ledger.runs()

    status, out, _ = said(capfdbinary, "runs", "failed", run.execution_id)

    assert status == 0
    row = next(line for line in out.splitlines() if "words" in line)
    assert row.split()[:2] == ["2", "words"]
    number = run.execution_id[:8]
    assert f"seqloom runs failed {number} --parameters | seqloom run graphs -" in out
    given = json.loads(said(capfdbinary, "runs", "failed", number, "--parameters")[1])
    failed_input = Path(given["input"]["source"])
    assert [json.loads(line) for line in failed_input.read_text().splitlines()] == [{"id": 2}]
    assert given["graph"] == "graph.yaml"
    (log,) = (one for one in run.execution_log)
    assert (log["step"], log["state"], log["items_failed"]) == ("words", "COMPLETED", 1)


def test_where_a_file_of_the_input_failed_it_takes_the_inputs_place(tmp_path):
    (tmp_path / "failed.csv").write_text("id,sequence,failed_at,reason\nodd,MKX,fold,no X here\n")
    folder = str(tmp_path)
    run = recorded(
        "design",
        {"input": {"source": "a.csv", "format": "csv"}, "seed": 7},
        folder=folder,
        failed=1,
    )

    assert failed_frame(run).to_dict("records") == [
        {"item": "odd", "failed_at": "fold", "reason": "no X here"}
    ]
    assert again(run) == {"input": {"format": "csv", "source": f"{folder}/failed.csv"}, "seed": 7}


def test_a_batch_is_told_to_do_those_that_failed(tmp_path):
    run = recorded("domains", {"reference": "r"}, folder=str(tmp_path), failed=2, batch="mine")

    assert again(run) == {"reference": "r", "proteins": "failed", "batch": "mine"}


def test_a_run_that_failed_as_a_whole_goes_on_with_its_own_parameters(capfdbinary):
    run = recorded("reads", {"preset": "fastp"}, "failed")

    assert again(run) == {"preset": "fastp"}
    out = said(capfdbinary, "runs", "failed", run.execution_id)[1]
    assert "failed: no homologs" in out
    assert "| seqloom run reads -" in out


def test_what_cannot_be_run_again_is_one_line():
    with pytest.raises(InputError, match="nothing failed in it"):
        again(recorded("design", {"seed": 1}, failed=0))
    with pytest.raises(InputError, match="its parameters hold secrets or personal data"):
        again(recorded("design", {"note": "password=hunter2"}, "failed"))
    with pytest.raises(InputError, match="is running"):
        again(ledger.run(ledger.start("design", input_data={"params": {"seed": 1}})).run)
    gone = recorded("design", {"seed": 1}, folder="/nowhere/at/all", failed=1)
    with pytest.raises(InputError, match=r"neither failed\.csv nor errors\.jsonl"):
        failed_frame(gone)


def test_nothing_failed_is_said(capfdbinary):
    run = recorded("design", {"seed": 1}, failed=0)
    assert said(capfdbinary, "runs", "failed", run.execution_id)[1] == "nothing failed\n"


def test_the_log_tells_each_attempt(capfdbinary):
    row = ledger.start("design")
    one = {"step": "fold", "task_run": "t1", "attempt": 1}
    ledger.log_event(row, one | {"state": "RUNNING"})
    ledger.log_event(row, one | {"state": "FAILED", "error": "hub: busy"})
    ledger.log_event(row, one | {"attempt": 2, "state": "RUNNING"})
    ledger.finish(row, "crashed", error="gone")

    lines = said(capfdbinary, "runs", "log", row)[1].splitlines()[1:]

    assert [" ".join(line.split()[2:]) for line in lines] == [
        f"fold 1 failed {lines[0].split()[5]} - - hub: busy",
        "fold 2 not ended - - -",
    ]


def test_statistics_are_told_as_tables_and_as_json(capfdbinary):
    for status in ("completed", "completed", "failed"):
        row = ledger.start("design")
        ledger.add_metrics(row, "fold", {"wall_s": 2.0, "items_in": 4})
        ledger.finish(row, status)

    status, out, _ = said(capfdbinary, "runs", "stats", "--zone", "Europe/Berlin")

    assert status == 0
    assert "66.7 %" in out
    assert [line for line in out.splitlines() if "fold" in line]
    found = json.loads(said(capfdbinary, "runs", "stats", "--json")[1])
    (step,) = found["steps"]
    assert (step["step"], step["calls"], step["total_s"], step["items_per_s"]) == ("fold", 3, 6, 2)
    assert said(capfdbinary, "runs", "stats", "--zone", "Mars")[0] == 2


def test_an_empty_ledger_has_no_statistics(capfdbinary):
    assert said(capfdbinary, "runs", "stats")[1].endswith("no runs\n")


def test_the_report_is_a_page_and_tells_what_left_its_band(tmp_path, capfdbinary):
    for status in ("completed", "failed", "failed", "failed", "crashed"):
        ledger.finish(ledger.start("design"), status)

    status, out, told = said(capfdbinary, "runs", "report")

    assert status == 0
    assert out.startswith("5 runs of 1 pipelines\npage  ")
    assert "design: 20 % of 5 runs completed; expected at least 90 %" in told
    page = (tmp_path / "results" / "ops" / "latest" / "report.html").read_text()
    assert "design: 20 % of 5 runs completed" in page
