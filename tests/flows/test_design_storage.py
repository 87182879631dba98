"""Where a design run keeps its tables: S3, PostgreSQL, a folder that is lost or closed."""

import json
import shutil

import fsspec
import pytest

from blocks import ledger
from blocks.errors import InputError, SeqloomError
from flows.design import design
from tests.flows.design_cases import PARENT, params, small

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("prefect_server")]


@pytest.mark.tool
def test_storage_and_results_may_lie_on_s3(s3_server, monkeypatch):
    monkeypatch.setenv("SEQLOOM_STORAGE", f"{s3_server}/storage")
    monkeypatch.setenv("SEQLOOM_RESULTS", f"{s3_server}/results")

    first, second = design(small(seed=51)), design(small(seed=51))

    assert first.folder.startswith(s3_server)
    assert (second.computed, second.digests) == (0, first.digests)
    with fsspec.open(f"{second.folder}/RUN.json") as manifest:
        assert json.load(manifest)["kept"] == second.kept


@pytest.mark.tool
def test_ledger_and_store_may_lie_in_postgresql(postgresql_url, monkeypatch):
    monkeypatch.setenv("SEQLOOM_DATABASE", postgresql_url)

    first, again = design(small(seed=52)), design(small(seed=52, refresh=True))

    assert (first.computed, again.computed) == (400, 0)
    assert [run.status for run in ledger.runs(pipeline="design")] == ["completed"] * 2


def test_results_that_cannot_be_written_stop_the_run_before_its_work(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SEQLOOM_RESULTS", str(tmp_path / "file" / "results"))

    with pytest.raises(SeqloomError, match=r"file/results: cannot be written"):
        design(small(seed=18))


def test_refresh_makes_lost_tables_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQLOOM_STORAGE", str(tmp_path / "storage"))
    (tmp_path / "in.fasta").write_text(f">only_here\n{PARENT[7:]}\n")
    stages = [{"name": "library", "uses": "input"}]
    source = {"source": str(tmp_path / "in.fasta")}
    design(params(stages, input=source))
    shutil.rmtree(tmp_path / "storage" / "objects")

    with pytest.raises(InputError, match="`refresh: true`"):
        design(params(stages, input=source))
    assert design(params(stages, input=source, refresh=True)).kept == 1
