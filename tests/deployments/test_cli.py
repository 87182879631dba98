"""The command line: what it prints, and its exit status."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from blocks import ledger
from deployments import cli, commands

DONE, WRONG = 0, 2
COMMANDS: tuple[list[str], ...] = (
    [],
    ["plan"],
    ["run"],
    ["runs"],
    ["runs", "show"],
    ["runs", "compare"],
    ["runs", "failed"],
    ["runs", "log"],
    ["runs", "stats"],
    ["runs", "report"],
    ["domains"],
    ["domains", "status"],
    ["graphs"],
    ["graphs", "run"],
    ["arrivals"],
    ["arrivals", "retry"],
    ["emit"],
    ["start"],
    ["gateway"],
    ["keys"],
    ["keys", "make"],
    ["audit", "verify"],
    ["doctor"],
)
LOADED = "import sys; from deployments.cli import main; main({}); print('prefect' in sys.modules)"


@pytest.fixture
def old_and_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Two runs in a ledger of their own, one of which failed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEQLOOM_DATABASE", f"sqlite:///{tmp_path / 'seqloom.db'}")
    old = ledger.start("design", input_data={"seed": 1}, run_name="first", created_by="me")
    ledger.finish(old, "completed", {"kept": 3})
    new = ledger.start("design", input_data={"seed": 2}, run_name="second", created_by="me")
    ledger.finish(new, "failed", error="no homologs")
    return old, new


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = cli.main(list(arguments))
    shown = capsys.readouterr()
    return status, shown.out, shown.err


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_does_without_prefect(command: list[str], tmp_path: Path) -> None:
    code = LOADED.format([*command, "--help"])

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True
    )

    assert done.stdout.startswith(" ".join(["Usage: seqloom", *command]))
    assert done.stdout.endswith("False\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["plna"], 'Unknown command "plna". Did you mean "plan"? Available commands:'),
        (["plan"], 'Command "plan" parameter PIPELINE requires an argument'),
        (["plan", "design"], 'Command "plan" parameter PARAMETERS requires an argument'),
        (["plan", "design", "x.yaml", "y.yaml"], "y.yaml: not understood; expected nothing more"),
        (["plan", "dsign", "x.yaml"], "pipeline 'dsign': not known; expected one of design"),
        (["plan", "design", "x.yaml"], "x.yaml: no such file; expected YAML or JSON"),
        (["run", "design", "x.yaml"], "x.yaml: no such file; expected YAML or JSON"),
        (["plan", "design", "."], ".: is a folder; expected a file, YAML or JSON"),
        (["runs", "--limit", "few"], 'Invalid value for --limit: unable to convert "few" into int'),
        (["runs", "--limit", "0"], 'Invalid value "0" for --limit. Must be >= 1'),
        (["runs", "--status", "done"], 'Invalid value "done" for --status. Choose from: "running"'),
        (["runs", "--all"], "Unknown option: --all"),
        (["runs", "show", "no-such-run"], "run 'no-such-run': not in the ledger; expected an id"),
        (["runs", "compare", "a", "b"], "run 'a': not in the ledger; expected an id"),
        (["doctor", "now"], "now: not understood; expected nothing more"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_call_gets_one_line_and_status_2(
    arguments: list[str],
    line: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEQLOOM_DATABASE", f"sqlite:///{tmp_path / 'seqloom.db'}")

    status, out, err = said(capsys, *arguments)

    assert (status, out, err.count("\n")) == (WRONG, "", 1)
    assert err.startswith(line)


def test_runs_are_listed_the_newest_first(
    old_and_new: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = old_and_new

    status, out, _ = said(capsys, "runs")

    lines = out.splitlines()
    assert status == DONE
    assert [line.split()[:3] for line in lines[1:]] == [
        [new[:8], "design", "failed"],
        [old[:8], "design", "completed"],
    ]
    assert "no homologs" in lines[1]


def test_runs_are_chosen_by_status_and_pipeline(
    old_and_new: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    failed = said(capsys, "runs", "--status", "failed", "--json")[1]
    none = said(capsys, "runs", "--pipeline", "structure")[1]
    one = said(capsys, "runs", "--limit", "1", "--json")[1]

    assert [run["execution_id"] for run in json.loads(failed)] == [old_and_new[1]]
    assert none == "no runs yet\n"
    assert len(json.loads(one)) == 1


def test_a_run_is_shown_by_the_beginning_of_its_id_and_by_its_name(
    old_and_new: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = old_and_new

    by_id = said(capsys, "runs", "show", old)[1]
    by_name = said(capsys, "runs", "show", "second", "--json")

    assert by_id.splitlines()[0].split() == ["run", old]
    assert by_id.splitlines()[-1].split() == ["kept", "3"]
    assert by_name[0] == DONE
    assert json.loads(by_name[1])["run"]["execution_id"] == new


def test_two_runs_are_compared(
    old_and_new: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = said(capsys, "runs", "compare", "first", "second")
    same = said(capsys, "runs", "compare", "first", "first", "--json")[1]

    assert status == DONE
    assert out.splitlines()[0] == "The runs differ."
    assert any(line.split()[:4] == ["seed:", "1", "->", "2"] for line in out.splitlines())
    assert not json.loads(same)["parameters"]


def test_a_plan_is_json_for_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEQLOOM_STORAGE", str(tmp_path / "storage"))
    stages = [{"name": "library", "uses": "input"}]
    text = json.dumps({"input": {"sequences": ["MKV"]}, "stages": stages})
    (tmp_path / "params.json").write_text(text)

    status, out, err = said(capsys, "plan", "design", "params.json", "--json")

    assert (status, err) == (DONE, "")
    assert [row["stage"] for row in json.loads(out)["plan"]] == ["library"]


@pytest.mark.parametrize(
    ("url", "begin"),
    [(None, "starting a temporary Prefect server"), ("http://127.0.0.1:1/api", "")],
    ids=["no server", "server"],
)
def test_it_is_said_when_a_server_has_to_be_started(
    url: str | None, begin: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: url}):
        commands._announce_server()

    assert capsys.readouterr().err[: len(begin) or None] == begin
