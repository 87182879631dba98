"""The design pipeline with remote models, from parameters to files, with a real Prefect server."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pandas as pd
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from pydantic import SecretStr

from blocks import ledger
from blocks.biolm import BioLM
from blocks.errors import BudgetError, InputError, ServiceError
from flows.design import design, plan
from tasks.design import remote_stages
from tasks.design.model import DesignParams
from tests.biolm_models import answer
from tests.biolm_script import throttled
from tests.biolm_server import BioLMServer

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("prefect_server")]

PARENT = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSR"


@pytest.fixture(autouse=True)
def service(biolm_server: BioLMServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIOLM_BASE_API_URL", biolm_server.url_v3)


def remote(kind: str, model: str, **with_) -> dict:
    return {"kind": kind, "model": model, **with_}


def temperature(**with_) -> dict:
    columns = [{"name": "tm", "key": "melting_temperature"}]
    return remote("biolm", "temberture", columns=columns, **with_)


def run_params(generator: dict, *further: dict, **others) -> DesignParams:
    stages = [
        {"name": "made", "uses": "generate", "with": generator},
        {"name": "heat", "uses": "predict", "needs": ["made"], "with": temperature()},
        *further,
    ]
    return DesignParams.model_validate({"stages": stages, "parent": {"sequence": PARENT}, **others})


RESAMPLE = remote("biolm_resample", "esm2-8m", count=40, iterations=2, conserved=[1])
SATURATE = remote("biolm_saturate", "temberture", key="melting_temperature", top=30)
GENERATE = remote("biolm_generate", "dsm", count=20, from_parent=True, temperature=[0.5, 1.0])


@pytest.mark.parametrize("generator", [RESAMPLE, SATURATE, GENERATE], ids=lambda one: one["kind"])
def test_a_remote_generator_is_asked_once_and_its_designs_are_predicted(biolm_server, generator):
    first = design(run_params(generator))
    asked = sum(biolm_server.seen.requests.values())
    biolm_server.seen.clear()
    again = design(run_params(generator))

    assert first.kept == first.items > 0
    assert asked > 0
    assert biolm_server.seen.calls == []
    assert again.digests["tables/designs.parquet"] == first.digests["tables/designs.parquet"]
    designs = pd.read_csv(Path(first.folder) / "designs.csv")
    expected = [
        answer("temberture/predict", {"sequence": one})["melting_temperature"]
        for one in designs["sequence"]
    ]
    assert designs["tm"].tolist() == pytest.approx(expected)
    assert designs["sequence"].is_unique
    assert PARENT not in set(designs["sequence"])


def test_masked_resampling_asks_full_batches(biolm_server):
    design(run_params(RESAMPLE, seed=5))

    variants, iterations, batch = 61, 2, 32
    most = 1 + iterations * -(-variants // batch)
    assert biolm_server.seen.requests["esm2-8m/predict"] <= most


def test_saturation_ranks_all_single_mutants_by_their_score(biolm_server):
    result = design(run_params(SATURATE, seed=6))

    designs = pd.read_csv(Path(result.folder) / "designs.csv")
    assert designs["generator_score"].is_monotonic_decreasing
    assert len(designs) == 30
    assert len(biolm_server.seen.items) == 19 * len(PARENT)


def test_a_run_that_broke_pays_for_nothing_twice(biolm_server):
    broken = run_params({**SATURATE, "batch_size": 8, "in_flight": 1}, seed=7)
    biolm_server.script.token = None

    def revoke_after(count: int) -> None:
        while sum(biolm_server.seen.answered.values()) < count:
            time.sleep(0.005)
        biolm_server.script.token = "another"

    biolm_server.script.latency_s = 0.01
    thread = threading.Thread(target=revoke_after, args=(100,))
    thread.start()
    with pytest.raises(InputError, match="HTTP 401"):
        design(broken)
    thread.join()
    biolm_server.script.token = None
    before = dict(biolm_server.seen.answered)
    biolm_server.seen.clear()

    result = design(broken)

    single = {key for key in biolm_server.seen.items if len(key) == len(PARENT)}
    assert result.kept == 30
    assert 100 <= len(before) < 19 * len(PARENT)
    assert not single & set(before)


def test_a_plan_counts_requests_and_asks_for_limits_only(biolm_server):
    params = run_params(RESAMPLE, seed=8)

    frame = plan(params)[1].set_index("stage")

    assert not biolm_server.seen.items
    assert (frame.loc["made", "to compute"], frame.loc["made", "requests"]) == ("~ 123", "~ 5")
    assert frame.loc["heat", "requests"] == "≤ 2"
    assert frame.loc["made", "items"] == "≤ 40"
    design(params)
    assert biolm_server.seen.requests["esm2-8m/predict"] == 5


def test_a_plan_tells_what_is_stored_and_the_time_that_the_rate_takes(biolm_server):
    library = tuple(PARENT[:n] for n in range(10, 39))
    biolm_server.script.throttle_rate = "2/second"
    biolm_server.script.batch_size = 4
    stages = [
        {"name": "lib", "uses": "input"},
        {"name": "heat", "uses": "predict", "needs": ["lib"], "with": temperature(version="9")},
    ]

    def params(count: int) -> DesignParams:
        return DesignParams.model_validate(
            {"input": {"sequences": library[:count]}, "stages": stages}
        )

    fresh = plan(params(29))[1].set_index("stage").loc["heat"]
    assert (fresh["cached"], fresh["to compute"], fresh["requests"]) == ("0", "29", "8")
    assert float(fresh["expected s"]) == pytest.approx(4.0)
    design(params(5))
    later = plan(params(29))[1].set_index("stage").loc["heat"]
    assert (later["cached"], later["to compute"], later["requests"]) == ("5", "24", "6")


def test_a_budget_is_for_the_whole_run_and_stops_it_with_one_line(biolm_server):
    stages = [
        {"name": "lib", "uses": "input"},
        *(
            {"name": name, "uses": "predict", "needs": ["lib"],
             "with": temperature(prefix=f"{name}_", params={"name": name})}
            for name in ("one", "other")
        ),
    ]  # fmt: skip
    library = tuple(PARENT[:n] for n in range(5, 39))
    given = {"input": {"sequences": library}, "stages": stages, "budget": {"items": 40}}

    with pytest.raises(BudgetError, match=r"the budget is spent \(\d+ of 40 items\)"):
        design(DesignParams.model_validate(given))

    assert sum(biolm_server.seen.items.values()) <= 40
    assert ledger.runs(limit=1)[0].status == "failed"
    result = design(DesignParams.model_validate({**given, "budget": {}}))
    assert result.kept == 34
    assert set(biolm_server.seen.items.values()) == {2}


def test_structures_of_designs_lie_in_the_folder_of_the_run(biolm_server):
    columns = [
        {"name": "fold", "key": "pdb", "holds": "structure"},
        {"name": "plddt", "key": "mean_plddt"},
    ]
    with_ = remote("biolm", "esmfold", action="fold", columns=columns)
    matrix = {"name": "effect", "key": "ddG_matrix.values", "holds": "mutations"}
    keys = {"row_key": "ddG_matrix.residue_axis", "column_key": "ddG_matrix.amino_acid_axis"}
    scan = remote(
        "biolm",
        "spurs",
        columns=[matrix | keys, {"name": "n", "key": "ddG_matrix.values", "reduce": "mean"}],
    )
    stages = [
        {"name": "lib", "uses": "input"},
        {"name": "shape", "uses": "predict", "needs": ["lib"], "with": with_},
        {"name": "scan", "uses": "predict", "needs": ["lib"], "with": scan},
    ]
    library = (PARENT, PARENT[::-1])

    result = design(
        DesignParams.model_validate({"input": {"sequences": library}, "stages": stages})
    )

    folder = Path(result.folder)
    designs = pd.read_csv(folder / "designs.csv")
    for _, row in designs.iterrows():
        expected = answer("esmfold/fold", {"sequence": row["sequence"]})["pdb"]
        assert (folder / row["fold"]).read_text() == expected
    mutations = pd.read_parquet(folder / "tables" / "scan_mutations.parquet")
    assert len(mutations) == 2 * 19 * len(PARENT)
    assert mutations["position"].min() == 1
    assert set(mutations["id"]) == {"seq-1", "seq-2"}


def test_a_saved_block_names_the_service_and_keeps_its_token(biolm_server, monkeypatch):
    monkeypatch.setenv("BIOLM_BASE_API_URL", "http://127.0.0.1:9/api/v3")
    biolm_server.script.token = "sesame-open-2"
    block = BioLM(base_url=biolm_server.url_v3, token=SecretStr("sesame-open-2"))
    block.save("lab", overwrite=True)
    params = run_params(
        {"kind": "mutate", "count": 10},
        {"name": "again", "uses": "predict", "needs": ["made"],
         "with": temperature(connection="lab", prefix="lab_")},
    )  # fmt: skip
    stages = [stage for stage in params.stages if stage.name != "heat"]

    result = design(params.model_copy(update={"stages": tuple(stages)}))

    assert result.kept == 10
    written = "".join(
        path.read_text(errors="replace")
        for path in Path(result.folder).rglob("*")
        if path.is_file()
    )
    assert "sesame" not in written
    assert "sesame" not in repr(ledger.run(ledger.runs(limit=1)[0].execution_id))


def test_an_unknown_block_is_one_line_before_any_work(biolm_server):
    params = run_params({**SATURATE, "connection": "nowhere"})

    with pytest.raises(InputError, match="stage 'made', connection: no BioLM block is called"):
        plan(params)

    assert biolm_server.seen.calls == []


def test_a_limit_set_in_prefect_bounds_the_requests_of_all_runs(biolm_server):
    with get_client(sync_client=True) as client:
        client.create_global_concurrency_limit(
            GlobalConcurrencyLimitCreate(name="biolm-temberture", limit=2)
        )
    try:
        biolm_server.script.latency_s = 0.02
        library = tuple(PARENT[:n] + PARENT[:m] for n in range(20, 39) for m in range(1, 20))
        stages = [
            {"name": "lib", "uses": "input"},
            {"name": "heat", "uses": "predict", "needs": ["lib"], "with": temperature()},
        ]
        design(DesignParams.model_validate({"input": {"sequences": library}, "stages": stages}))
        assert biolm_server.seen.most_in_flight == 2
    finally:
        with get_client(sync_client=True) as client:
            client.delete_global_concurrency_limit_by_name("biolm-temberture")


KILLED = """
import sys
from flows.design import design
from tasks.design.model import DesignParams
design(DesignParams.model_validate_json(sys.argv[1]))
"""


def test_a_killed_run_goes_on_with_what_was_answered(biolm_server, prefect_server):
    library = tuple(PARENT[:n] + PARENT[:m] for n in range(5, 39) for m in range(1, 20))
    biolm_server.script.latency_s = 0.05
    stages = [
        {"name": "lib", "uses": "input"},
        {"name": "heat", "uses": "predict", "needs": ["lib"],
         "with": temperature(batch_size=4, in_flight=2, version="killed")},
    ]  # fmt: skip
    params = DesignParams.model_validate({"input": {"sequences": library}, "stages": stages})
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, params.model_dump_json(by_alias=True)],
        env=os.environ | {"PYTHONPATH": str(Path.cwd()), "PREFECT_API_URL": prefect_server.api},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while sum(biolm_server.seen.answered.values()) < 200 and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    process.wait()
    before = sum(biolm_server.seen.answered.values())
    biolm_server.script.latency_s = 0.0
    biolm_server.seen.clear()

    result = design(params)

    distinct = len(set(library))
    assert result.kept == len(library)
    assert 200 <= before < distinct
    # What came in the last seconds before the kill was not yet written down.
    assert sum(biolm_server.seen.items.values()) < distinct
    assert result.cached > 0
    assert result.cached + result.computed == distinct


def test_an_outage_that_lasts_is_told_in_one_line(biolm_server, monkeypatch):
    at_once = remote_stages.predict_remotely.with_options(retries=0)
    monkeypatch.setattr(remote_stages, "predict_remotely", at_once)
    biolm_server.script.outage = throttled("9000")

    with pytest.raises(ServiceError, match="asks to be left alone for 9000 s"):
        design(run_params({"kind": "mutate", "count": 5}, seed=11))


def test_what_failed_transiently_is_tried_again_by_prefect(biolm_server, monkeypatch):
    soon = remote_stages.predict_remotely.with_options(retries=2, retry_delay_seconds=0)
    monkeypatch.setattr(remote_stages, "predict_remotely", soon)
    biolm_server.script.next(throttled("9000"))

    with pytest.raises(ServiceError):  # the gate stays closed for the whole run
        design(run_params({"kind": "mutate", "count": 5}, seed=12))

    assert design(run_params({"kind": "mutate", "count": 5}, seed=12)).kept == 5
