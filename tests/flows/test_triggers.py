"""Every kind of trigger starts a real run, on a real server with a worker."""

import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import fsspec
import pytest
import yaml

from blocks.arrivals import arrivals
from blocks.database import engine
from blocks.errors import InputError, InputProblems
from deployments import cli
from deployments.automating import FOLDER, apply_automations
from deployments.emitting import emitted
from deployments.local import LocalPrefect
from flows.arrivals import ArrivalParams, _look_of, watch
from flows.runner import RunParams, run_pipeline
from flows.starting import started
from tests import waiting
from tests.flows import conftest
from tests.flows.conftest import answer_of
from tests.graphs.small_runs import lines

until = partial(waiting.until, seconds=600)
ended = partial(conftest.ended, seconds=600)
pytestmark = pytest.mark.engine
DEPLOYMENTS = (
    "arrivals/watch", "domains/annotate", "graphs/text", "notes/failed", "ops/note",
    "reference/build", "run-pipeline/any",
)  # fmt: skip
SOURCE = {"input": {"source": "{file}"}, "graph": "deployments/example/graphs/text.yaml"}
ARRIVED = "seqloom.data.arrived"


def runs_of(prefect: LocalPrefect, deployment: str) -> list[dict[str, Any]]:
    """Runs of a deployment, the newest first."""
    found = answer_of("GET", f"{prefect.api}/deployments/name/{deployment}")
    asked = {"deployments": {"id": {"any_": [found["id"]]}}, "sort": "EXPECTED_START_TIME_DESC"}
    runs: list[dict[str, Any]] = answer_of("POST", f"{prefect.api}/flow_runs/filter", asked)
    return runs


def new_runs(prefect: LocalPrefect, deployment: str, before: list[dict[str, Any]]) -> list[Any]:
    known = {run["id"] for run in before}
    return [run for run in runs_of(prefect, deployment) if run["id"] not in known]


@pytest.fixture
def given(tmp_path: Path) -> dict[str, Any]:
    """Parameters of a graph of one step that takes a moment."""
    graph = tmp_path / "clean.yaml"
    graph.write_text("nodes: [{name: cleaned, uses: clean}]\noutputs: [cleaned]\n")
    return {"input": {"source": str(items(tmp_path / "items.jsonl"))}, "graph": str(graph)}


@pytest.fixture
def watched(given: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """Parameters of a watch over a folder that starts such graphs."""
    (tmp_path / "inbox").mkdir()
    return {
        "place": str(tmp_path / "inbox"), "patterns": ["*.jsonl"], "settle_s": 0,
        "pipeline": "graphs", "params": {**given, "input": {"source": "{file}"}},
    }  # fmt: skip


def items(path: Path, text: str = "some text") -> Path:
    return lines(path, [{"id": "one", "text": f"{path.name} {text}"}])


@pytest.fixture
def automated(deployed: LocalPrefect, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Brings shipped automations to the server, switched on, and takes them away again."""
    folder = tmp_path / "automations"
    folder.mkdir()

    def bring(*names: str, **others: Any) -> str:
        for name in names:
            content = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
            (folder / f"{name}.yaml").write_text(yaml.safe_dump({**content, "enabled": True}))
        for name, content in others.items():
            (folder / f"{name}.yaml").write_text(yaml.safe_dump(content))
        return apply_automations(deployed, folder)

    yield bring
    for file in folder.iterdir():
        file.unlink()
    apply_automations(deployed, folder)


def test_automations_are_kept_as_their_files_say(
    deployed: LocalPrefect, automated: Any, tmp_path: Path
) -> None:
    foreign = {**yaml.safe_load((FOLDER / "data-arrived.yaml").read_text()), "name": "not ours"}
    foreign["actions"] = [{"type": "do-nothing"}]
    other = answer_of("POST", f"{deployed.api}/automations/", foreign)
    first = automated("data-arrived", "note-failed-runs")
    second = automated("note-failed-runs")
    changed = yaml.safe_load((FOLDER / "data-arrived.yaml").read_text())
    third = automated(**{"data-arrived": {**changed, "description": "another"}})

    def ours() -> dict[str, Any]:
        asked = {"automations": {"tags": {"all_": ["seqloom"]}}}
        found = answer_of("POST", f"{deployed.api}/automations/filter", asked)
        return {one["name"]: one for one in found}

    assert first == (
        "automation data-arrived (on): created\nautomation note-failed-runs (on): created\n"
    )
    assert second == (
        "automation data-arrived (on): unchanged\nautomation note-failed-runs (on): unchanged\n"
    )
    assert third.startswith("automation data-arrived (off): updated\n")
    assert ours()["seqloom: data arrived"]["description"] == "another"
    assert ours()["seqloom: data arrived"]["enabled"] is False

    shipped = apply_automations(deployed)
    assert "annotate-after-reference (off): created" in shipped
    assert "(on)" not in shipped
    last = apply_automations(deployed, tmp_path / "none")
    assert last.count("removed, its file is gone") == shipped.count("automation ")
    assert ours() == {}
    there = answer_of("GET", f"{deployed.api}/automations/{other['id']}")
    assert there["name"] == "not ours"
    answer_of("DELETE", f"{deployed.api}/automations/{other['id']}")


def test_wrong_automations_change_nothing(deployed: LocalPrefect, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: a\ntrigger: {type: event}\n")
    (tmp_path / "b.yaml").write_text(
        "name: b\ntrigger: {type: event}\nactions: [{type: x, deployment_id: '{no/such}'}]\n"
    )
    with pytest.raises(InputProblems) as raised:
        apply_automations(deployed, tmp_path)
    told = str(raised.value)
    assert "a.yaml: without actions; expected an automation in Prefect's schema" in told
    assert "b.yaml: deployment 'no/such' is not on the server" in told

    (tmp_path / "a.yaml").unlink()
    (tmp_path / "b.yaml").write_text("name: b\ntrigger: {type: event}\nactions: [{type: x}]\n")
    with pytest.raises(InputProblems, match=r"b.yaml: HTTP 422"):
        apply_automations(deployed, tmp_path)


def test_a_schedule_looks_at_a_folder_whose_files_start_runs(
    deployed: LocalPrefect, watched: dict[str, Any], tmp_path: Path
) -> None:
    before, looked = runs_of(deployed, "graphs/text"), runs_of(deployed, "arrivals/watch")
    file = items(tmp_path / "inbox" / "a.jsonl")
    items(tmp_path / "inbox" / "b.jsonl.part")
    deployment = answer_of("GET", f"{deployed.api}/deployments/name/arrivals/watch")
    assert deployment["schedules"][0]["active"] is False
    place = f"{deployed.api}/deployments/{deployment['id']}/schedules"
    soon = (datetime.now(UTC) + timedelta(seconds=6)).isoformat()
    every = {"interval": 60, "anchor_date": soon, "timezone": "UTC"}
    content = {"schedule": every, "active": True, "parameters": {"params": watched}}
    (schedule,) = answer_of("POST", place, [content])
    try:
        until(lambda: new_runs(deployed, "graphs/text", before))
    finally:
        answer_of("DELETE", f"{place}/{schedule['id']}")

    done = [run for run in new_runs(deployed, "arrivals/watch", looked) if run["start_time"]]
    assert {ended(deployed, run["id"]) for run in done} == {"COMPLETED"}
    assert all(run["auto_scheduled"] for run in done)
    (run,) = new_runs(deployed, "graphs/text", before)
    assert run["parameters"]["params"]["input"] == {"source": str(file)}
    assert {"arrivals", "watch:graphs"} <= set(run["tags"])
    assert ended(deployed, run["id"]) == "COMPLETED"
    assert [one.flow_run_id for one in arrivals(engine(), f"graphs: {watched['place']}")] == [
        run["id"]
    ]


@pytest.fixture
def s3_for_the_worker(deployed: LocalPrefect, s3_server: str) -> Iterator[str]:
    """The S3 server's place and keys among the variables of runs of graphs/text."""
    deployment = answer_of("GET", f"{deployed.api}/deployments/name/graphs/text")
    place = f"{deployed.api}/deployments/{deployment['id']}"
    names = [name for name in os.environ if name.startswith("AWS_")]
    variables = {"env": {name: os.environ[name] for name in names}}
    answer_of("PATCH", place, {"job_variables": variables})
    yield s3_server
    answer_of("PATCH", place, {"job_variables": {}})


@pytest.mark.tool
def test_an_object_of_s3_starts_a_run_for_each_content(
    deployed: LocalPrefect, watched: dict[str, Any], s3_for_the_worker: str, tmp_path: Path
) -> None:
    place = f"{s3_for_the_worker}/arriving-{time.time_ns()}"
    params = ArrivalParams.model_validate({**watched, "place": f"{place}/"})
    before = runs_of(deployed, "graphs/text")
    filesystem, path = fsspec.core.url_to_fs(place)
    filesystem.put_file(str(items(tmp_path / "a.jsonl")), f"{path}/a.jsonl")

    seen = [watch(params), watch(params)]

    (run,) = new_runs(deployed, "graphs/text", before)
    assert [(one.new, one.started) for one in seen] == [(1, 1), (0, 0)]
    assert run["parameters"]["params"]["input"] == {"source": f"{place}/a.jsonl"}
    assert ended(deployed, run["id"]) == "COMPLETED"


@pytest.fixture
def idle(deployed: LocalPrefect) -> Iterator[str]:
    """A deployment whose runs nobody works on."""
    flow = answer_of("GET", f"{deployed.api}/deployments/name/graphs/text")["flow_id"]
    answer_of("POST", f"{deployed.api}/work_pools/", {"name": "idle", "type": "process"})
    made = {"name": "idle", "flow_id": flow, "work_pool_name": "idle"}
    deployment = answer_of("POST", f"{deployed.api}/deployments/", made)
    yield "graphs/idle"
    answer_of("DELETE", f"{deployed.api}/deployments/{deployment['id']}")
    answer_of("DELETE", f"{deployed.api}/work_pools/idle")


class KilledError(BaseException):
    """The watcher ended here."""


def test_two_watchers_that_are_killed_start_one_run_per_file(
    deployed: LocalPrefect, watched: dict[str, Any], idle: str, tmp_path: Path
) -> None:
    params = ArrivalParams.model_validate(watched)
    look = replace(_look_of(params, watched["place"]), deployment=idle)
    files = [items(tmp_path / "inbox" / f"{number:02d}.jsonl") for number in range(30)]

    def killed(deaths: int) -> None:
        """Looks, killed after a run was made and before that was noted."""
        left = iter(range(3, 3 + deaths))

        def start(run: Any) -> str:
            flow_run = look.start(run)
            if int(run.key, 16) % 3 == 0 and next(left, None) is not None:
                raise KilledError
            return flow_run

        mine = replace(look, start=start)
        while True:
            try:
                mine.once(params)
            except KilledError:
                continue
            break

    with ThreadPoolExecutor(2) as pool:  # Prefect's settings lie in the context
        watchers = [pool.submit(copy_context().run, killed, 4) for _ in range(2)]
    for one in watchers:
        one.result()
    look.once(params)

    sources = [run["parameters"]["params"]["input"]["source"] for run in runs_of(deployed, idle)]
    assert sorted(sources) == sorted(map(str, files))
    assert look.arrivals.pending() == []
    assert {one.state for one in arrivals(engine(), look.arrivals.watch)} == {"started"}


def test_what_a_server_refuses_is_told_and_does_not_hold_up_the_others(
    deployed: LocalPrefect, watched: dict[str, Any], idle: str, tmp_path: Path
) -> None:
    params = ArrivalParams.model_validate(watched)
    look = replace(_look_of(params, watched["place"]), deployment="graphs/gone")
    items(tmp_path / "inbox" / "a.jsonl")

    assert look.once(params).failed == 1

    (told,) = arrivals(engine(), look.arrivals.watch)
    assert told.error.startswith("deployment 'graphs/gone': not on the server; expected")
    assert look.arrivals.forget_failed() == 1
    assert replace(look, deployment=idle).once(params).started == 1


def test_an_event_starts_its_pipeline_and_a_second_one_with_its_key_does_not(
    deployed: LocalPrefect, automated: Any, given: dict[str, Any]
) -> None:
    automated("data-arrived")
    before, asked = runs_of(deployed, "graphs/text"), runs_of(deployed, "run-pipeline/any")
    payload = {"pipeline": "graphs", "params": given, "key": f"plate {time.time_ns()}"}

    for _ in range(2):
        emitted(ARRIVED, "seqloom.plate.7", payload)

    until(lambda: len(new_runs(deployed, "run-pipeline/any", asked)) == 2)
    reacted = new_runs(deployed, "run-pipeline/any", asked)
    assert {ended(deployed, run["id"]) for run in reacted} == {"COMPLETED"}
    assert {run["created_by"]["type"] for run in reacted} == {"AUTOMATION"}
    (run,) = new_runs(deployed, "graphs/text", before)
    assert run["parameters"]["params"] == given
    assert ended(deployed, run["id"]) == "COMPLETED"


def test_a_hostile_event_gets_nothing_and_its_failure_is_noted(
    deployed: LocalPrefect, automated: Any, given: dict[str, Any]
) -> None:
    automated("data-arrived", "note-failed-runs")
    secret = f"hunter{time.time_ns()}"
    answer_of("POST", f"{deployed.api}/variables/", {"name": "treasure", "value": secret})
    asked, noted = runs_of(deployed, "run-pipeline/any"), runs_of(deployed, "notes/failed")
    before = runs_of(deployed, "graphs/text")
    wanted = {"__prefect_kind": "workspace_variable", "variable_name": "treasure"}
    template = {"__prefect_kind": "jinja", "template": "{{ event.id }}"}

    emitted(ARRIVED, "x", {"pipeline": "graphs", "params": {**given, "graph": wanted}})
    emitted(ARRIVED, "x", {"pipeline": "graphs", "params": {"deep": [template]}, "key": wanted})
    emitted(ARRIVED, "x", {"pipeline": wanted, "params": given})

    until(lambda: len(new_runs(deployed, "run-pipeline/any", asked)) == 2)
    reacted = new_runs(deployed, "run-pipeline/any", asked)
    assert {ended(deployed, run["id"]) for run in reacted} == {"FAILED"}
    assert secret not in json.dumps(reacted)
    for run in reacted:  # what came is text, and a pipeline that nobody knows makes no run at all
        params = RunParams.model_validate(run["parameters"]["params"])
        assert params.pipeline == "graphs"
        with pytest.raises(InputError, match="__prefect_kind: not allowed; expected plain values"):
            run_pipeline.fn(params)
    notes = until(lambda: len(new_runs(deployed, "notes/failed", noted)) == 2) and new_runs(
        deployed, "notes/failed", noted
    )
    assert {ended(deployed, run["id"]) for run in notes} == {"COMPLETED"}
    written = answer_of(
        "POST",
        f"{deployed.api}/artifacts/filter",
        {"artifacts": {"key": {"any_": ["failed-runs"]}}},
    )
    assert sum("__prefect_kind: not allowed" in one["data"] for one in written) == 2
    assert secret not in json.dumps(written)
    assert new_runs(deployed, "graphs/text", before) == []


def test_a_reference_that_was_built_starts_an_annotation(
    deployed: LocalPrefect, automated: Any
) -> None:
    automated("annotate-after-reference")
    before = runs_of(deployed, "domains/annotate")
    built = run_without_worker(deployed, "reference/build")

    answer_of(
        "POST",
        f"{deployed.api}/flow_runs/{built}/set_state",
        {"state": {"type": "COMPLETED"}, "force": True},
    )

    (run,) = until(lambda: new_runs(deployed, "domains/annotate", before))
    assert run["created_by"]["type"] == "AUTOMATION"
    answer_of("DELETE", f"{deployed.api}/flow_runs/{run['id']}")


def run_without_worker(prefect: LocalPrefect, deployment: str) -> str:
    """Id of a run that is only due in years."""
    found = answer_of("GET", f"{prefect.api}/deployments/name/{deployment}")
    later = {"type": "SCHEDULED", "state_details": {"scheduled_time": "2100-01-01T00:00:00Z"}}
    place = f"{prefect.api}/deployments/{found['id']}/create_flow_run"
    return str(answer_of("POST", place, {"state": later})["id"])


def test_the_command_line_starts_a_run_once_for_a_key(
    deployed: LocalPrefect, given: dict[str, Any], tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", deployed.api)
    (tmp_path / "mine.json").write_text(json.dumps(given))
    command = ["start", "graphs", str(tmp_path / "mine.json"), "--key", str(tmp_path), "--json"]

    told = []
    for _ in range(2):
        assert cli.main(command) == 0
        told.append(json.loads(capsys.readouterr().out))

    assert told[0] == told[1]
    assert told[0]["deployment"] == "graphs/text"
    assert ended(deployed, told[0]["run"]) == "COMPLETED"


def test_files_together_come_as_a_sheet(given: dict[str, Any], tmp_path: Path) -> None:
    template = {**given, "input": {"source": "{sheet}"}}
    params = ArrivalParams.model_validate(
        {
            "place": str(tmp_path), "pipeline": "graphs", "params": template,
            "files": "together", "sheet_column": "file",
        }
    )  # fmt: skip
    look = _look_of(params, str(tmp_path))

    filled: Any = look.fill(["/in/a.fa", "/in/b.fa"])

    sheet = Path(filled["input"]["source"])
    assert sheet.read_text() == "sample,file\na,/in/a.fa\nb,/in/b.fa\n"
    assert look.fill(["/in/a.fa", "/in/b.fa"]) == filled


def test_a_watch_that_cannot_work_is_refused_before_it_looks(tmp_path: Path) -> None:
    def asked(**given: Any) -> Any:
        return ArrivalParams.model_validate({"place": str(tmp_path), **given})

    with pytest.raises(InputProblems, match=r"params.*nonsense"):
        watch(asked(pipeline="graphs", params={"nonsense": "{file}"}))
    with pytest.raises(InputError, match="pipeline 'graph': not known"):
        watch(asked(pipeline="graph", params={"input": "{file}"}))
    with pytest.raises(InputError, match="deployment 'reads/process': not of graphs"):
        watch(asked(pipeline="graphs", deployment="reads/process", params=SOURCE))
    with pytest.raises(InputError, match="no such folder"):
        watch(asked(pipeline="graphs", params=SOURCE, place=str(tmp_path / "nowhere")))


def test_values_that_prefect_would_replace_are_not_sent() -> None:
    with pytest.raises(InputError, match="not allowed"):
        started("graphs/text", {"params": {"x": {"__prefect_kind": "jinja", "template": "x"}}})
