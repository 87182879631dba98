"""What was tried against the gateway, and what each got; `docs/gateway.md` has the table."""

import gzip
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.deployments.conftest import TEXTS, Caller, RunningGateway, served

pytestmark = pytest.mark.engine

JSON = {"Content-Type": "application/json"}
VARIABLE = {"__prefect_kind": "workspace_variable", "variable_name": "llm_api_key"}


def graph(**changes: Any) -> dict[str, Any]:
    return {"params": TEXTS | changes}


def runs_of(caller: Caller) -> list[Any]:
    answer = caller.http.get("/v1/runs")
    assert answer.status_code == 200
    return answer.json()


def sent(caller: Caller, content: bytes, **headers: str) -> httpx.Response:
    return caller.http.post(
        "/v1/pipelines/graphs/runs", content=content, headers=JSON | {**headers}
    )


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(VARIABLE, id="as the body"),
        pytest.param({"params": VARIABLE}, id="as the parameters"),
        pytest.param(graph(seed=VARIABLE), id="as a value"),
        pytest.param(graph(input={"items": [{"a": [{"b": VARIABLE}]}]}), id="deep in data"),
        pytest.param(graph(input={"items": [{"__PREFECT_KIND": "jinja"}]}), id="in capitals"),
    ],
)
def test_values_of_prefect_are_refused_at_any_depth(alice: Caller, body: object) -> None:
    answer = alice.start(json=body)

    assert answer.status_code == 422
    assert "expected none of Prefect's own" in answer.json()["errors"][0]
    assert runs_of(alice) == []


def test_a_name_of_prefect_is_refused_however_it_is_spelt(alice: Caller) -> None:
    text = json.dumps(graph(input={"items": [VARIABLE]})).replace("__p", "\\u005f_\\u0070")

    assert sent(alice, text.encode()).status_code == 422
    assert runs_of(alice) == []


@pytest.mark.parametrize(
    "more",
    [
        {"state": {"type": "COMPLETED"}},
        {"job_variables": {"command": "sh"}},
        {"work_queue_name": "other"},
        {"enforce_parameter_schema": False},
        {"tags": ["caller:bob"]},
        {"parameters": {}},
    ],
    ids=lambda more: next(iter(more)),
)
def test_nothing_but_params_is_taken(alice: Caller, more: dict[str, Any]) -> None:
    answer = alice.start(json=graph() | more)

    assert answer.status_code == 422
    assert answer.json()["errors"][0].endswith('; expected "params" and nothing else')
    assert runs_of(alice) == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b" " * 600_000, 413, id="huge"),
        pytest.param(b"[" * 100_000, 400, id="deep"),
        pytest.param(b'{"a":' * 5_000, 400, id="deep objects"),
        pytest.param(b'"' + b'\\"' * 200_000, 400, id="a text without end"),
        pytest.param(b'{"params": \xff}', 400, id="no UTF-8"),
        pytest.param(json.dumps(graph()).encode("utf-16"), 400, id="UTF-16"),
        pytest.param(b'{"params": {}, "params": {"seed": 2}}', 400, id="a name twice"),
        pytest.param(b'{"params": {"seed": NaN}}', 400, id="NaN"),
        pytest.param(b'{"params": {"seed": -Infinity}}', 400, id="infinity"),
        pytest.param(b'{"params": {"seed": 1e999}}', 400, id="too large a number"),
        pytest.param(b'{"params": {"seed": 1' + b"0" * 10_000 + b"}}", 400, id="digits"),
        pytest.param(b'{"params": {"graph": "\\ud800"}}', 422, id="half a surrogate pair"),
        pytest.param(b'{"params": {"graph": "a\\u0000b"}}', 422, id="NUL"),
        pytest.param(b"", 400, id="nothing"),
        pytest.param(b"null", 422, id="null"),
        pytest.param(b"[]", 422, id="a list"),
        pytest.param(b'{"params": []}', 422, id="a list of parameters"),
        pytest.param(b"{} {}", 400, id="two documents"),
    ],
)
def test_bodies_that_are_no_plain_json_are_refused(alice: Caller, body: bytes, status: int) -> None:
    answer = sent(alice, body)

    assert answer.status_code == status, answer.text
    assert len(answer.text) < 600
    assert runs_of(alice) == []


def test_a_huge_body_of_no_told_length_is_refused(alice: Caller) -> None:
    def pieces():  # sent in chunks, without a length
        for _ in range(60):
            yield b" " * 10_000

    answer = alice.http.post("/v1/pipelines/graphs/runs", content=pieces(), headers=JSON)

    assert answer.status_code == 413
    assert runs_of(alice) == []


def test_compressed_bodies_and_other_types_are_refused(alice: Caller) -> None:
    bomb = gzip.compress(b" " * 50_000_000)

    assert sent(alice, bomb, **{"Content-Encoding": "gzip"}).status_code == 415
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/xml"):
        answer = sent(alice, json.dumps(graph()).encode(), **{"Content-Type": kind})
        assert answer.status_code == 415
    assert runs_of(alice) == []


@pytest.mark.parametrize(
    "source",
    [
        "/etc/passwd", " /etc/passwd", "//etc/passwd", "../secret", "a/../../secret", "a/..",
        "~/.ssh", "file:///etc/passwd", "FILE:/etc/passwd", "local:///etc/passwd", "s3://others/x.jsonl",
        "http://169.254.169.254/latest", "simplecache::file:///etc/passwd",
        "zip://x.jsonl::/etc/x.zip", "github://a:b@/x", ".seqloom/seqloom.db",
    ],
)  # fmt: skip
def test_files_outside_of_the_folder_of_data_are_refused(alice: Caller, source: str) -> None:
    answer = alice.start(json=graph(input={"source": source}))

    assert answer.status_code == 422
    assert answer.json()["errors"][0].startswith("params.input.source: ")
    assert runs_of(alice) == []


def test_hidden_files_of_the_folder_of_data_are_refused(
    alice: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQLOOM_DATA", str(tmp_path))
    (tmp_path / ".git").mkdir()
    for name in (".env", ".git/config"):
        (tmp_path / name).write_text("token=of-somebody")
    (tmp_path / "plain.csv").symlink_to(tmp_path / ".env")

    for source in (".env", "./.env", ".git/config", ".git", "plain.csv"):
        assert alice.start(json=graph(input={"source": source})).status_code == 422
    assert alice.start(json=graph(input={"texts": [".5 mg", ".gitignore"]})).status_code == 202


def test_results_of_runs_are_no_input_and_places_of_the_key_are(
    new_caller: Callable[..., Caller], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Path(os.environ["SEQLOOM_RESULTS"]).parent
    monkeypatch.setenv("SEQLOOM_DATA", str(home))
    caller = new_caller("placed", places=["s3://bucket/alice/", "/data/alice"])

    def status(source: str) -> int:
        return caller.start(json=graph(input={"source": source})).status_code

    assert status("results/graphs/latest/cleaned.jsonl") == 422
    assert status("./results//graphs/x.jsonl") == 422
    assert status("storage/objects/x") == 422
    assert status("s3://bucket/alice-else/x.jsonl") == 422
    assert status("s3://bucket/alice/../bob/x.jsonl") == 422
    assert status("s3://bucket/alice/%2e%2e/bob/x.jsonl") == 422
    assert status("s3://bucket/alice/%252e%252e/bob/x.jsonl") == 422
    assert runs_of(caller) == []
    assert status("s3://bucket/alice/x.jsonl") == 202
    assert status("/data/alice/x.jsonl") == 202
    assert status("mine.jsonl") == 202


def test_others_runs_are_not_there(alice: Caller, new_caller: Callable[..., Caller]) -> None:
    mallory = new_caller("mallory")
    run = alice.started()
    nowhere = "00000000-0000-4000-8000-000000000000"

    for method, path in (("GET", ""), ("GET", "/result"), ("POST", "/cancel")):
        others = mallory.http.request(method, f"/v1/runs/{run}{path}")
        none = mallory.http.request(method, f"/v1/runs/{nowhere}{path}")
        assert others.status_code == none.status_code == 404
        assert others.json()["errors"] == none.json()["errors"]
    assert runs_of(mallory) == []
    assert alice.http.get(f"/v1/runs/{run}").json()["state"] == "SCHEDULED"


def test_others_runs_are_no_input(alice: Caller, new_caller: Callable[..., Caller]) -> None:
    from blocks import ledger

    mallory = new_caller("mallory", {"graphs": "9/minute", "reads-verify": "9/minute"})
    theirs, own = alice.started(), mallory.started()
    for run in (theirs, own):
        ledger.start("graphs", execution_id=run, flow_run_id=run)

    def status(run: str) -> int:
        return mallory.start(json={"params": {"rerun": f"{run}/cleaned"}}).status_code

    assert [status(run) for run in ("latest", theirs, theirs[:8], "nothing")] == [422] * 4
    assert status(f"20261125-090445-{theirs[:8]}") == 422
    assert status(own) == 202
    assert mallory.start("reads-verify", json={"params": {}}).status_code == 422  # the latest


def test_others_pipelines_are_refused_and_so_are_those_inside_of_parameters(
    new_caller: Callable[..., Caller],
) -> None:
    caller = new_caller("narrow", {"graphs": "9/minute", "run-pipeline": "9/minute"})
    inner = {"pipeline": "design", "params": {}}

    others = caller.start("design", json={"params": {}})
    nothing = caller.start("no-such-pipeline", json={"params": {}})
    smuggled = caller.start("run-pipeline", json={"params": inner})
    within = caller.start("run-pipeline", json={"params": {"pipeline": "graphs", "params": inner}})
    file = {"pipeline": "graphs", "params": graph(input={"source": "/etc/passwd"})["params"]}
    beyond = caller.start("run-pipeline", json={"params": file})

    assert others.status_code == nothing.status_code == smuggled.status_code == 403
    assert others.json()["errors"] == nothing.json()["errors"]
    assert within.status_code == 403
    assert beyond.status_code == 422
    assert caller.http.get("/v1/pipelines/design").status_code == 403
    assert runs_of(caller) == []
    fine = {"pipeline": "graphs", "params": TEXTS}
    assert caller.start("run-pipeline", json={"params": fine}).status_code == 202


def test_who_has_no_valid_key_gets_nothing(
    gateway: RunningGateway, alice: Caller, new_caller: Callable[..., Caller]
) -> None:
    revoked = new_caller("revoked")
    assert revoked.http.get("/v1/runs").status_code == 200
    gateway.keys.revoke(revoked.key.key)
    bearer = f"Bearer {alice.shown}"
    # A random key may end in any letter: it is altered by one that it does not end in.
    altered = alice.shown[:-1] + ("A" if alice.shown[-1] != "A" else "B")
    tries: list[list[tuple[str, str]]] = [
        [],
        [("Authorization", f"Basic {alice.shown}")],
        [("Authorization", f"Bearer {alice.shown}x")],
        [("Authorization", f"Bearer {altered}")],
        [("Authorization", f"Bearer {alice.key.digest}")],
        [("Authorization", f"Bearer seqloom_{alice.key.key}_{'A' * 43}")],
        [("Authorization", f"Bearer {revoked.shown}")],
        [("Authorization", bearer), ("Authorization", bearer)],
        [("Authorization", f"{bearer}, {bearer}")],
        [("X-Authorization", bearer), ("Cookie", f"key={alice.shown}")],
    ]

    for headers in tries:
        answer = httpx.get(f"{gateway.url}/v1/runs?key={alice.shown}", headers=headers)
        assert answer.status_code == 401, headers
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert alice.shown not in answer.text
    secrets = [one.split("_", 2)[2] for one in (alice.shown, revoked.shown)]
    audited = gateway.audit.path.read_text()
    assert not any(secret in audited for secret in secrets)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/runs/../../../etc/passwd", "/v1/runs/..%2f..%2fhealth", "/v1/runs/%2e%2e/%2e%2e",
        "/v1/pipelines/..%2f..%2fgraphs/runs", "/v1/pipelines/graphs%00/runs", "/v1//runs",
        "/v1/runs/1%0a{%22line%22:1}", "/api/variables/", "/docs", "/v1/runs/' OR 1=1--",
    ],
)  # fmt: skip
def test_paths_lead_nowhere_else(alice: Caller, path: str) -> None:
    url = alice.http.base_url.copy_with(raw_path=path.replace(" ", "%20").encode())

    answer = alice.http.send(alice.http.build_request("GET", url))

    assert answer.status_code in {403, 404, 405, 422}
    assert set(answer.json()) == {"errors", "request"}


def test_headers_play_no_tricks(gateway: RunningGateway, alice: Caller) -> None:
    run = alice.started()
    tricks = {
        "X-HTTP-Method-Override": "POST",
        "X-Original-URL": f"/v1/runs/{run}/cancel",
        "X-Forwarded-For": "8.8.8.8",
        "X-Request-ID": "mine",
        "User-Agent": "x\ty",
    }

    answer = alice.http.get(f"/v1/runs/{run}", headers=tricks)

    assert answer.json()["state"] == "SCHEDULED"
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-ID"])
    (line,) = [one for one in gateway.audit.records() if one["request"] == answer.headers["X-Request-ID"]]  # fmt: skip  # noqa: E501
    assert line["address"] == "127.0.0.1"
    for keys in (["a", "b"], [""], ["a b"], ["é"], ["x" * 129]):
        given = [("Idempotency-Key", key.encode()) for key in keys]
        answer = alice.http.post("/v1/pipelines/graphs/runs", json=graph(), headers=given)
        assert answer.status_code == 422
    assert len(runs_of(alice)) == 1


def test_what_callers_say_cannot_forge_lines_of_the_audit(
    gateway: RunningGateway, alice: Caller
) -> None:
    forged = 'x\n{"line":1,"caller":"root","outcome":202}\n'
    before = gateway.audit.verify().lines

    alice.http.get("/v1/runs/%0a%7b%22line%22:1%7d")
    answer = alice.start(json={"params": {"graph": forged, forged: forged}})

    assert answer.status_code == 422
    lines = list(gateway.audit.records())[before:]
    assert len(lines) == 2
    assert {one["caller"] for one in lines} == {alice.key.caller}
    assert gateway.audit.verify().lines == before + 2


def test_secrets_and_personal_data_are_masked_in_the_audit_and_prefect_stores_them_raw(
    gateway: RunningGateway, alice: Caller
) -> None:
    """The second half is a limit of Prefect, which the README tells."""
    item = {"by": "jane@example.org", "api_key": "hunter2", "card": "4111 1111 1111 1111"}

    answer = alice.start(json=graph(input={"items": [item]}))

    assert answer.status_code == 202
    audited = [
        one for one in gateway.audit.records() if one["request"] == answer.headers["X-Request-ID"]
    ]
    assert [one["outcome"] for one in audited] == ["admitted", 202]
    assert audited[1]["run"] == answer.json()["run"]
    assert not re.search("jane|hunter2|4111", json.dumps(audited))
    stored = gateway.run(answer.json()["run"])["parameters"]["params"]["input"]["items"][0]
    assert stored == item


def test_nothing_starts_where_the_audit_cannot_be_written(
    gateway: RunningGateway, alice: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(gateway.audit, "append", full)
        refused = [alice.start(), alice.http.get("/v1/runs")]

    assert [answer.status_code for answer in refused] == [503, 503]
    assert refused[0].json()["errors"] == ["the audit cannot be written; expected later"]
    assert runs_of(alice) == []


def test_every_request_has_its_line(gateway: RunningGateway, alice: Caller) -> None:
    before = gateway.audit.verify().lines

    alice.http.get("/v1/runs")
    alice.http.get("/v1/nowhere")
    alice.start("design")
    httpx.get(f"{gateway.url}/v1/runs")
    httpx.get(f"{gateway.url}/health")

    lines = list(gateway.audit.records())[before:]
    assert [(one.get("caller"), one["outcome"]) for one in lines] == [
        (alice.key.caller, 200),
        (None, 404),
        (alice.key.caller, 403),
        (None, 401),
    ]


def test_keys_that_are_guessed_are_slowed_down_and_do_not_fill_the_disk(tmp_path: Path) -> None:
    from blocks.access_keys import AccessKeys
    from blocks.audit import Audit
    from deployments.gateway.prefect_runs import PrefectRuns
    from deployments.gateway.state import Gateway

    audit = Audit(tmp_path)
    shared = Gateway(PrefectRuns(httpx.Client()), AccessKeys(tmp_path), audit)
    with served(shared) as url, httpx.Client(base_url=url) as http:
        answers = [http.get("/v1/runs") for _ in range(70)]

    assert [one.status_code for one in answers] == [401] * 60 + [429] * 10
    assert "Retry-After" in answers[-1].headers
    assert audit.verify().lines == 60


def test_a_prefect_that_is_away_or_refuses_the_login_is_told_as_such(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    from blocks.access_keys import AccessKeys
    from blocks.audit import Audit
    from deployments.gateway.prefect_runs import PrefectRuns
    from deployments.gateway.state import Gateway
    from deployments.local import free_port

    keys = AccessKeys(tmp_path)
    _, shown = keys.make("alice", {"graphs": "9/minute"})
    away = httpx.Client(base_url=f"http://127.0.0.1:{free_port()}/api")
    without_login = httpx.Client(base_url=gateway.prefect.api)
    said = []
    for http in (away, without_login):
        shared = Gateway(PrefectRuns(http), keys, Audit(tmp_path))
        headers = {"Authorization": f"Bearer {shown}"}
        with (
            http,
            served(shared) as url,
            httpx.Client(base_url=url, headers=headers, timeout=60) as client,
        ):
            answers = [
                client.post("/v1/pipelines/graphs/runs", json=graph()),
                client.get("/v1/runs"),
                client.get("/ready"),
            ]
        assert [one.status_code for one in answers] == [503, 503, 503]
        said += [answers[0].json()["errors"][0], answers[2].json()["told"][0]]
        assert answers[0].headers["Retry-After"] == "2"

    assert (
        said
        == ["Prefect does not answer; expected later"] * 2
        + ["Prefect refuses the gateway; expected later"] * 2
    )
