"""A stage with a remote model against a real HTTP server: what is asked, kept, lost and counted."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import numpy as np
import pandas as pd
import pytest

from blocks import biolm_sessions
from blocks.biolm_calls import Connection
from blocks.errors import BudgetError, InputError, ServiceError
from blocks.service_pace import RetryRule
from blocks.storage import read_table
from tasks.design import remote_stages
from tasks.design.budget import Allowance, Budget
from tasks.design.model import PredictStage, SequenceInput
from tasks.design.remote_stages import predict_remotely
from tasks.design.stages import load_input
from tasks.items import StageResult, load
from tests.biolm_models import ALPHABET, answer, plddts
from tests.biolm_script import Status, throttled
from tests.biolm_server import BioLMServer
from tests.waiting import until

TM = [{"name": "tm", "key": "melting_temperature"}]


@pytest.fixture(autouse=True)
def service(biolm_server: BioLMServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIOLM_BASE_API_URL", biolm_server.url_v3)


def sequences(count: int, seed: int = 1, length: int = 30) -> list[str]:
    codes = np.random.default_rng(seed).integers(20, size=(count, length))
    return ["".join(ALPHABET[code] for code in row) for row in codes]


def library(texts: Sequence[str]) -> StageResult:
    given = SequenceInput(sequences=tuple(texts))
    return load_input.fn(source=None, given=given, taken=[], gaps=False)


def stage(columns: list[dict] = TM, **with_) -> PredictStage:
    settings = {"kind": "biolm", "model": "temberture", "columns": columns, **with_}
    chain = settings.pop("chain", "sequence")
    return PredictStage.model_validate(
        {"name": "remote", "uses": "predict", "needs": ["lib"], "with": settings, "chain": chain}
    )


def run(
    texts: Sequence[str] | StageResult, columns: list[dict] = TM, *, stop: bool = False, **with_
) -> StageResult:
    needed = texts if isinstance(texts, StageResult) else library(texts)
    return predict_remotely.fn(stage(columns, **with_), [needed], stop)


def table(result: StageResult, *columns: str) -> pd.DataFrame:
    return load(result.items, ["sequence", *columns], alive=False)


def temperatures(texts: Sequence[str]) -> list[float]:
    return [
        answer("temberture/predict", {"sequence": text})["melting_temperature"] for text in texts
    ]


def reasons(result: StageResult) -> dict[int, str]:
    losses = [read_table(one) for one in result.items.losses]
    return dict(zip(losses[0]["item"], losses[0]["reason"], strict=True)) if losses else {}


@contextmanager
def once(condition: Callable[[], bool], act: Callable[[], object]):
    """Act in another thread as soon as the condition holds."""

    def wait() -> None:
        deadline = time.monotonic() + 20
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.005)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    yield
    thread.join()


# --- what is asked, and what is kept -----------------------------------------------------------


def test_every_item_gets_its_own_answer_in_full_batches(biolm_server):
    texts = sequences(100)

    result = run(texts)

    found = table(result, "tm")
    assert found["sequence"].tolist() == texts
    assert found["tm"].tolist() == temperatures(texts)
    assert biolm_server.seen.requests["temberture/predict"] == 4
    assert (result.counts.computed, result.counts.cached) == (100, 0)


def test_a_second_run_asks_nothing_not_even_the_schema(biolm_server):
    texts = sequences(40)
    run(texts)
    biolm_server.seen.clear()

    again = run(texts)

    assert biolm_server.seen.calls == []
    assert table(again, "tm")["tm"].tolist() == temperatures(texts)
    assert (again.counts.computed, again.counts.cached) == (0, 40)


def test_renamed_columns_and_other_reductions_cost_no_request(biolm_server):
    texts = sequences(5)
    folded = {"model": "esmfold", "action": "fold"}
    run(texts, [{"name": "plddt", "key": "mean_plddt"}], **folded)
    biolm_server.seen.clear()
    columns = [
        {"name": "confidence", "key": "mean_plddt"},
        {"name": "fold", "key": "pdb", "holds": "structure"},
    ]

    result = run(texts, columns, **folded)

    assert biolm_server.seen.calls == []
    assert table(result, "fold_plddt")["fold_plddt"].to_list() == pytest.approx(
        [plddts(text).mean() for text in texts], abs=0.01
    )


def test_other_parameters_and_another_version_are_asked_anew(biolm_server):
    texts = sequences(3)
    for with_ in ({}, {"params": {"x": 1}}, {"params": {"x": 2}}, {"version": "2"}, {}):
        run(texts, **with_)

    assert biolm_server.seen.requests["temberture/predict"] == 4


def test_equal_sequences_are_asked_once_and_all_get_the_answer(biolm_server):
    one, other = sequences(2)

    result = run([one, other, one, one])

    assert Counter(biolm_server.seen.items) == dict.fromkeys(biolm_server.seen.items, 1)
    assert len(biolm_server.seen.items) == 2
    assert table(result, "tm")["tm"].tolist() == temperatures([one, other, one, one])


def test_only_what_is_new_is_asked(biolm_server):
    texts = sequences(50)
    run(texts[:30])
    biolm_server.seen.clear()

    result = run(texts)

    assert sum(biolm_server.seen.items.values()) == 20
    assert (result.counts.computed, result.counts.cached) == (20, 30)


def test_embeddings_are_vectors_of_the_layer_asked_for(biolm_server):
    texts = sequences(40)
    columns = [
        {"name": "last", "key": "embeddings.embedding", "holds": "vector"},
        {"name": "fifth", "key": "embeddings.embedding", "holds": "vector", "layer": 5},
    ]

    result = run(texts, columns, model="esm2-8m", action="encode")

    found = table(result, "last", "fifth")
    for text, last, fifth in zip(texts, found["last"], found["fifth"], strict=True):
        layers = answer("esm2-8m/encode", {"sequence": text})["embeddings"]
        by_layer = {one["layer"]: one["embedding"] for one in layers}
        assert last.tolist() == pytest.approx(by_layer[max(by_layer)], rel=1e-6)
        assert fifth.tolist() == pytest.approx(by_layer[5], rel=1e-6)


def test_structures_are_files_that_a_later_stage_can_send(biolm_server):
    texts = sequences(3)
    fold = [{"name": "fold", "key": "pdb", "holds": "structure"}]
    folded = run(texts, fold, model="esmfold", action="fold")
    biolm_server.seen.clear()
    mutations = {"name": "ddg", "key": "value", "holds": "mutations"}
    keys = {"mutation_key": "mutation", "value_key": "ddg"}

    result = run(
        folded, [mutations | keys], model="thermompnn", item_fields={"pdb": "fold"}, prefix="m_"
    )

    assert sum(biolm_server.seen.items.values()) == 3
    assert result.counts.items_failed == 0, reasons(result)
    values = read_table(result.artifact)
    assert set(values["item"]) == {0, 1, 2}
    assert {"position", "wild_type", "mutant", "value"} <= set(values)


def test_sequences_are_folded_with_other_molecules(biolm_server):
    texts = sequences(2)
    entities = [{"id": "B", "type": "ligand", "ccd": "ATP"}]
    columns = [
        {"name": "complex", "key": "cif", "holds": "structure"},
        {"name": "score", "key": "confidence.confidence_score"},
    ]

    result = run(texts, columns, model="boltz2", action="predict", entities=entities)

    assert table(result, "score")["score"].notna().all()
    assert all(name.endswith(".cif.gz") for name in table(result, "complex")["complex"])


# --- what is lost ------------------------------------------------------------------------------


def test_one_bad_residue_costs_one_row_with_its_reason(biolm_server):
    texts = sequences(64)
    texts[35] = "X" + texts[35][1:]

    result = run(texts)

    assert list(reasons(result)) == [35]
    assert "Residues can only be represented with" in reasons(result)[35]
    assert biolm_server.seen.requests["temberture/predict"] <= 2 + 6
    expected = [*temperatures(texts[:35]), np.nan, *temperatures(texts[36:])]
    np.testing.assert_array_equal(table(result, "tm")["tm"], expected)
    assert (result.counts.items_in, result.counts.items_out) == (64, 63)


def test_what_failed_is_asked_again_by_a_later_run(biolm_server):
    texts = sequences(32)
    biolm_server.script.items[texts[3]] = "unnamed"
    first = run(texts)
    biolm_server.script.items.clear()
    biolm_server.seen.clear()

    second = run(texts)

    assert list(reasons(first)) == [3]
    assert dict(biolm_server.seen.items) == {texts[3]: 1}
    assert second.counts.items_failed == 0
    assert table(second, "tm")["tm"].tolist() == temperatures(texts)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that waits little between its attempts."""
    soon = partial(RetryRule, first_wait_s=0.02)
    monkeypatch.setattr("blocks.biolm_client.RetryRule", soon)


@pytest.mark.usefixtures("impatient")
def test_a_poisoned_item_is_the_only_one_lost(biolm_server):
    texts = sequences(64)
    biolm_server.script.items[texts[40]] = "crash"

    result = run(texts)

    assert list(reasons(result)) == [40]
    assert "500" in reasons(result)[40]


@pytest.mark.usefixtures("impatient")
def test_a_poisoned_item_that_is_asked_again_by_itself_is_lost_again_and_not_the_run(biolm_server):
    texts = sequences(64)
    biolm_server.script.items[texts[40]] = "crash"
    run(texts)

    result = run(texts)

    assert list(reasons(result)) == [40]
    assert (result.counts.cached, result.counts.items_out) == (63, 63)


@pytest.mark.parametrize("fault", ["short", "long"])
def test_answers_that_do_not_fit_the_items_are_never_shifted(biolm_server, fault):
    texts = sequences(64)
    biolm_server.script.next(fault, fault)  # the same batch is asked for once more

    result = run(texts, batch_size=16, in_flight=1)

    assert len(reasons(result)) == 16
    found = table(result, "tm")
    there = found["tm"].notna()
    assert found.loc[there, "tm"].tolist() == temperatures(found.loc[there, "sequence"])
    assert there.sum() == 48


def test_an_answer_with_an_error_beside_it_is_not_believed(biolm_server):
    texts = sequences(64)
    biolm_server.script.next("mixed")

    result = run(texts)

    assert table(result, "tm")["tm"].tolist() == temperatures(texts)
    assert biolm_server.seen.requests["temberture/predict"] == 3


def test_an_item_without_a_value_is_not_sent(biolm_server):
    needed = library(sequences(2))
    rows = load(needed.items, ["id"])

    result = run(needed, item_fields={"sequence": "description"})

    assert len(rows) == 2
    assert list(reasons(result).values()) == ["no value for the field 'sequence'; expected one"] * 2
    assert not biolm_server.seen.items


def test_the_first_failure_stops_a_run_that_should(biolm_server):
    texts = sequences(400)
    texts[0] = "X" + texts[0][1:]
    biolm_server.script.latency_s = 0.05

    with pytest.raises(InputError, match=r"stage 'remote', seq-1: .*Residues can only"):
        run(texts, stop=True, in_flight=1, batch_size=8)

    assert sum(biolm_server.seen.requests.values()) < 20


# --- faults of the service ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    ["reset", "cut", "short", "long", Status(503), Status(500), throttled(), throttled("1")],
)
def test_a_passing_fault_costs_nothing_but_time(biolm_server, fault):
    texts = sequences(96)
    biolm_server.script.next(fault)

    result = run(texts)

    assert table(result, "tm")["tm"].tolist() == temperatures(texts)
    assert sum(biolm_server.seen.requests.values()) == 3 + 1


def test_a_page_instead_of_an_answer_costs_nothing_once_the_service_has_answered(biolm_server):
    texts = sequences(96)
    run(texts[:32])
    biolm_server.script.latency_s = 0.02

    def spoil() -> None:
        biolm_server.script.next("not-json")

    with once(lambda: sum(biolm_server.seen.answered.values()) > 40, spoil):
        result = run(texts, in_flight=1, batch_size=8)

    assert table(result, "tm")["tm"].tolist() == temperatures(texts)


def test_slow_answers_are_written_down_while_others_are_awaited(biolm_server):
    texts = sequences(64)
    biolm_server.script.items[texts[40]] = "hang"

    with pytest.raises(BudgetError):
        run(texts, deadline_s=4)
    biolm_server.script.items.clear()
    biolm_server.seen.clear()

    assert run(texts).counts.cached == 32


def test_a_refusal_of_all_ends_the_stage_while_another_request_hangs(biolm_server):
    texts = sequences(640)
    biolm_server.script.items[texts[0]] = "hang"
    biolm_server.script.latency_s = 0.02
    begun = time.monotonic()

    def refuse() -> None:
        biolm_server.script.token = "another"

    some = once(lambda: sum(biolm_server.seen.answered.values()) > 64, refuse)
    with some, pytest.raises(InputError, match="HTTP 401"):
        run(texts, in_flight=2, batch_size=16)

    assert time.monotonic() - begun < 15


def test_a_service_that_puts_off_and_then_refuses_is_told_as_it_is(biolm_server):
    biolm_server.script.next(throttled("6"))

    def refuse() -> None:
        biolm_server.script.token = "another"

    some = once(lambda: biolm_server.seen.statuses[429] > 0, refuse)
    with some, pytest.raises(InputError, match="HTTP 401"):
        run(sequences(64), in_flight=1)


def test_one_batch_of_nulls_does_not_stop_the_stage(biolm_server):
    texts = sequences(640)
    biolm_server.script.items |= dict.fromkeys(texts[:32], "null")

    assert run(texts).counts.items_failed == 32


def test_stages_that_ask_for_the_same_ask_once(biolm_server):
    texts = sequences(64)
    biolm_server.script.latency_s = 0.05
    needed = library(texts)
    with ThreadPoolExecutor(2) as stages:
        results = [one.result() for one in [stages.submit(run, needed) for _ in range(2)]]

    assert [table(one, "tm")["tm"].tolist() for one in results] == [temperatures(texts)] * 2
    assert sum(biolm_server.seen.items.values()) == 64


def test_a_server_that_is_killed_and_comes_back_loses_nothing(biolm_server):
    texts = sequences(640)
    biolm_server.script.latency_s = 0.05

    def bounce() -> None:
        biolm_server.stop()
        time.sleep(0.7)
        biolm_server.start()

    with once(lambda: sum(biolm_server.seen.answered.values()) > 64, bounce):
        result = run(texts, in_flight=2)

    assert table(result, "tm")["tm"].tolist() == temperatures(texts)
    assert result.counts.items_failed == 0
    # An answer that was on its way when the server died is asked for once more.
    assert sum(biolm_server.seen.answered.values()) <= 640 + 2 * 32


def test_a_service_that_stays_away_is_an_error_to_try_again_and_keeps_what_came(
    biolm_server, monkeypatch
):
    texts = sequences(128)
    run(texts[:64])
    biolm_server.script.outage = Status(502)
    impatient = partial(RetryRule, attempts=2, first_wait_s=0.01)
    monkeypatch.setattr("blocks.biolm_client.RetryRule", impatient)

    with pytest.raises(ServiceError):
        run(texts, deadline_s=60)

    biolm_server.script.outage = None
    biolm_server.seen.clear()
    assert run(texts).counts.computed == 64


def test_a_revoked_token_stops_the_stage_at_once_and_keeps_what_came(biolm_server, monkeypatch):
    monkeypatch.setenv("BIOLM_TOKEN", "sesame-open-1")
    monkeypatch.setenv("BIOLM_TOKEN_HOST", "127.0.0.1")
    biolm_server.script.token = "sesame-open-1"
    biolm_server.script.latency_s = 0.02
    texts = sequences(640)

    def revoke() -> None:
        biolm_server.script.token = "another"

    some = once(lambda: sum(biolm_server.seen.answered.values()) > 64, revoke)
    with some, pytest.raises(InputError, match="HTTP 401") as raised:
        run(texts, in_flight=1, batch_size=16)

    assert "sesame" not in str(raised.value)
    answered = sum(biolm_server.seen.answered.values())
    assert 0 < answered < 640
    assert biolm_server.seen.statuses[401] <= 4
    biolm_server.script.token = "sesame-open-1"
    biolm_server.seen.clear()
    assert run(texts).counts.cached == answered
    assert sum(biolm_server.seen.items.values()) == 640 - answered


# --- limits of the user ------------------------------------------------------------------------


@pytest.mark.parametrize("budget", [{"items": 70}, {"requests": 2}])
def test_a_spent_budget_stops_the_stage_and_keeps_what_it_bought(biolm_server, monkeypatch, budget):
    texts = sequences(200)
    spent = Allowance(Budget(**budget))
    monkeypatch.setattr(remote_stages, "allowance", lambda: spent)

    with pytest.raises(BudgetError, match=r"stage 'remote': the budget is spent .* larger budget"):
        run(texts)

    assert sum(biolm_server.seen.items.values()) == 64
    monkeypatch.undo()
    monkeypatch.setenv("BIOLM_BASE_API_URL", biolm_server.url_v3)
    biolm_server.seen.clear()
    assert run(texts).counts.cached == 64
    assert sum(biolm_server.seen.items.values()) == 136


def test_a_deadline_stops_the_stage_and_leaves_no_request_behind(biolm_server):
    texts = sequences(640)
    biolm_server.script.latency_s = 0.3

    with pytest.raises(BudgetError, match="deadline_s: 1 s have passed"):
        run(texts, in_flight=2, deadline_s=1)

    until(lambda: biolm_server.seen.in_flight == 0, 30)  # the server learns of it a moment later
    assert run(texts[:32]).counts.cached == 32


def test_no_more_requests_are_in_flight_than_the_stage_allows(biolm_server):
    biolm_server.script.latency_s = 0.05

    run(sequences(320), in_flight=3)

    assert biolm_server.seen.most_in_flight == 3


def test_two_stages_share_the_places_of_one_model(biolm_server, monkeypatch):
    biolm_server.script.latency_s = 0.05
    connection = Connection(base_url=biolm_server.url_v3, in_flight=4)
    monkeypatch.setattr(remote_stages, "connection_of", lambda _: connection)
    threads = [
        threading.Thread(
            target=run, args=(sequences(320, seed),), kwargs={"params": {"seed": seed}}
        )
        for seed in (1, 2)
    ]

    with biolm_sessions.kept_open():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert biolm_server.seen.most_in_flight == 4
    assert sum(biolm_server.seen.items.values()) == 640
    assert sum("schema" in call.path for call in biolm_server.seen.calls) == 1


# --- mistakes of the user ----------------------------------------------------------------------


def test_a_wrong_key_is_told_from_the_first_answer_with_those_that_came(biolm_server):
    texts = sequences(640)
    biolm_server.script.latency_s = 0.02

    expected = "column 'tm', key 'meltingtemp': not in the answer of temberture; expected one of"
    with pytest.raises(InputError, match=expected):
        run(texts, [{"name": "tm", "key": "meltingtemp"}], in_flight=1)

    assert sum(biolm_server.seen.requests.values()) < 10
    paid = sum(biolm_server.seen.items.values())
    biolm_server.seen.clear()
    assert run(texts).counts.cached == paid
    assert sum(biolm_server.seen.items.values()) == 640 - paid


def test_a_wrong_key_is_told_without_a_request_where_answers_are_stored(biolm_server):
    texts = sequences(32)
    run(texts)
    biolm_server.seen.clear()

    with pytest.raises(InputError, match="key 'tm': not in the answer"):
        run([*texts, *sequences(5, seed=9)], [{"name": "tm", "key": "tm"}])

    assert biolm_server.seen.calls == []


def test_a_model_that_refuses_everything_is_not_asked_for_all(biolm_server):
    texts = ["X" + text[1:] for text in sequences(640)]

    with pytest.raises(InputError, match="temberture refused all of the first"):
        run(texts, in_flight=1)

    assert sum(biolm_server.seen.requests.values()) < 64


def test_an_unknown_model_is_one_line(biolm_server):
    with pytest.raises(InputError, match="404") as raised:
        run(sequences(64), model="no-such-model")

    assert "\n" not in str(raised.value)
    assert sum(biolm_server.seen.statuses.values()) <= 3
