"""Runs that ask a model: a refused key ends them, a dead service leads to the fallback."""

import itertools

import pytest

from deployments.graph_runs import recorded_run, summary
from tasks.graphs.accounts import node_metrics
from tasks.graphs.planning import prepare
from tests.graphs.small_runs import lines, output, params, run
from tests.llm_script import ScriptedServer, chat, echo, status

pytestmark = pytest.mark.usefixtures("own_place")
ASK = {"name": "ask", "uses": "generate", "with": {"prompt": "{{ text }}"}}
LEAD = {"name": "lead", "uses": "summarise", "with": {"into": "answer", "method": "lead"}}


@pytest.fixture
def given(tmp_path, monkeypatch):
    """Makes parameters of a run that asks a server about twelve texts."""
    for name, value in {"MODEL": "m", "IN_FLIGHT": "2", "DEADLINE_S": "1"}.items():
        monkeypatch.setenv(f"SEQLOOM_LLM_{name}", value)
    source = lines(
        tmp_path / "items.jsonl", [{"id": n, "text": f"Text {n}. More."} for n in range(12)]
    )

    def made(server: ScriptedServer, *nodes: dict, **others):
        monkeypatch.setenv("SEQLOOM_LLM_BASE_URL", server.url)
        return params(source, nodes, models=[{"connection": "environment"}], **others)

    return made


def test_a_refused_key_ends_the_run_at_once(given, tmp_path):
    with ScriptedServer(status(401, "who are you?")) as model:
        ended = run(given(model, ASK), tmp_path / "runs")

        assert len(model.seen) <= 2
    assert "HTTP 401: who are you?; expected a key, an account and a model" in str(ended.error)
    assert ended.states == {"ask": "FAILED"}


def test_a_dead_service_leads_to_the_fallback_and_the_run_is_degraded(given, tmp_path):
    turns = itertools.count()  # a step of it is whole, whichever of the server's threads takes it

    def mortal(asked):
        return echo(asked) if next(turns) < 4 else status(500, "gone")

    nodes = ({**ASK, "on_error": "fallback", "fallback": "lead"}, LEAD)
    with ScriptedServer(mortal) as model:
        ended = run(given(model, *nodes, workers=1), tmp_path / "runs")

    found = output(ended, "ask")
    assert len(found) == 12
    makers = [item["answer_by"] for item in found]
    assert (makers.count("lead"), ended.tallies["ask"].replaced) == (8, 8)
    assert ended.degraded


def test_what_was_asked_stands_in_the_ledger_s_figures(given, tmp_path):
    with ScriptedServer(echo) as model:
        ended = run(given(model, ASK), tmp_path / "runs")

    figures = node_metrics(ended)["model environment"]
    assert (figures["items_out"], figures["input_tokens"], figures["output_tokens"]) == (
        12,
        120,
        60,
    )


def test_a_second_run_asks_nothing_and_a_refreshed_one_all(given, tmp_path):
    with ScriptedServer(echo) as model:
        first = run(given(model, ASK), tmp_path / "runs")
        second = run(given(model, ASK), tmp_path / "runs")
        assert len(model.seen) == 12
        run(given(model, ASK, refresh=True), tmp_path / "runs")
        assert len(model.seen) == 24

    assert output(second, "ask") == output(first, "ask")
    assert second.states == {"ask": "CACHED"}


def test_another_prompt_or_model_is_asked_anew(given, tmp_path, monkeypatch):
    with ScriptedServer(echo) as model:
        run(given(model, ASK), tmp_path / "runs")
        other = {**ASK, "with": {"prompt": "Say: {{ text }}"}}
        run(given(model, other), tmp_path / "runs")
        monkeypatch.setenv("SEQLOOM_LLM_MODEL", "n")
        run(given(model, ASK), tmp_path / "runs")

        assert len(model.seen) == 36


def test_masked_fields_are_not_kept_with_answers(given, tmp_path):
    ask = {**ASK, "mask": ["text"], "with": {"prompt": "item {{ id }}"}}
    with ScriptedServer(echo) as model:
        for _ in range(2):
            run(given(model, ask), tmp_path / "runs")

        assert len(model.seen) == 12  # answers are kept by prompt, not by item
    assert b"Text 3. More." not in (tmp_path / "seqloom.db").read_bytes()


def test_answers_of_no_use_are_told_with_what_they_took(given, tmp_path):
    ask = {**ASK, "with": {"prompt": "{{ text }}", "fields": [{"name": "score", "kind": "number"}]}}
    with ScriptedServer(chat("no JSON")) as model:
        result = recorded_run(prepare(given(model, ask)))

        assert (result.failed, result.calls, result.tokens) == (12, 0, 15 * len(model.seen))
    assert f"models   0 answers, {result.tokens:,} tokens, 0 USD" in summary(result).splitlines()
