"""Whole reviews of notes, tables and generated records, without Prefect's engine."""

import json
from pathlib import Path
from uuid import uuid4

import pandas as pd
import pytest
from pydantic import ValidationError

from blocks.errors import InputError
from tasks.agents.model import ReviewParams
from tasks.agents.planning import plan_frame, prepare, read_all
from tasks.agents.rechecking import recheck
from tests.agents.reviews import reviewed

EXAMPLE = Path("deployments/example/agents")
pytestmark = pytest.mark.usefixtures("own_place")


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("id,score,kind\na,0.97,x\nb,0.5,x\nc,12,y\nd,3,y\n")
    return {"name": "hits", "source": str(path), "best": "score"}


def test_a_review_leaves_a_whole_folder_whose_summary_holds(table):
    notes = {"source": str(EXAMPLE / "notes.jsonl")}
    rules = [{"table": "hits", "field": "score", "max": 10}]
    done = reviewed(records=notes, tables=[table], rules=rules)
    folder, result = Path(done.result.folder), done.result

    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert names >= {
        "report.html", "summary.md", "citations.tsv", "facts.tsv", "facts.parquet", "RUN.json",
        "checksums.sha256", "tables/entities.parquet", "normalised/02-hits.jsonl",
        "sources/01-notes.jsonl.gz", "pipeline_info/params.json", "multiqc/agents_mqc.tsv",
    }  # fmt: skip
    assert (result.tables, result.records, result.failed, result.dropped) == (2, 8, 1, 0)
    assert 0 < result.confidence < 1
    checked = recheck(str(folder))
    assert (checked.sentences, checked.numbers) == (result.sentences, result.numbers)
    assert checked.missing == ()
    facts = pd.read_parquet(folder / "facts.parquet")
    assert set(facts["agent"]) == {"extract", "analyse", "validate"}
    sources = done.text.split("## Sources")[1].strip().splitlines()
    assert len(pd.read_csv(folder / "citations.tsv", sep="\t")) == len(sources)


def test_a_summary_that_was_changed_no_longer_holds(table):
    done = reviewed(tables=[table])
    path = Path(done.result.folder, "summary.md")
    text = path.read_text()
    assert "score 12" in text
    path.write_text(text.replace("score 12", "score 13", 1) + "\n")
    assert "13" in recheck(done.result.folder).missing[0]


def test_a_table_that_was_changed_no_longer_supports_the_summary(table):
    import gzip

    done = reviewed(tables=[table])
    path = Path(done.result.folder, "sources/01-hits.jsonl.gz")
    lines = gzip.decompress(path.read_bytes()).replace(b'"score":12', b'"score":13')
    path.write_bytes(gzip.compress(lines))
    assert recheck(done.result.folder).missing


def test_the_same_review_says_the_same(table):
    generated = {"data": "numeric_data", "complexity": "complex", "count": 60}
    one, two = (reviewed(tables=[table], generated=generated) for _ in range(2))
    assert one.text == two.text
    digests = [result.digests for result in (one.result, two.result)]
    assert digests[0] == digests[1]


@pytest.mark.parametrize("data", ["user_messages", "json_objects", "text_samples", "numeric_data"])
def test_generated_records_of_every_kind_are_reviewed(data):
    done = reviewed(generated={"data": data, "complexity": "complex", "count": 30})
    assert (done.result.records, done.result.dropped) == (30, 0)
    assert done.result.numbers > 5


def test_a_folder_of_texts_and_texts_of_the_parameters(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text("P02144 was seen 3 times. It was never seen again by anybody.")
    one = reviewed(records={"source": str(folder)})
    two = reviewed(records={"texts": ["P02144 was seen 3 times. It was never seen again."]})
    assert "uniprot 1" in one.text
    assert "texts, a, says" in one.text
    assert "records, row 1, says" in two.text


def test_texts_of_others_do_nothing_on_the_page():
    evil = "<script>alert(1)</script> **bold** [9] P02144 & more words here, [link](http://x.org)"
    done = reviewed(records={"texts": [evil, "Some other words stand here, P02144 among them."]})
    page = Path(done.result.page).read_text()
    assert "<script>alert" not in page
    assert "<script>" not in done.text.replace("\\<script\\>", "")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"records": {"source": "no.jsonl"}}, "no.jsonl: no such file"),
        ({"runs": ["design/none"]}, "runs: 'design/none' holds no finished run; expected a folder"),
        ({"tables": [{"name": "t", "source": "t.csv", "best": "nope"}]}, "best: column 'nope'"),
        ({"tables": [{"name": "t", "source": "t.csv", "id": "nope"}]}, "id: column 'nope'"),
        ({"tables": [{"name": "t", "source": "bad.jsonl"}]}, r"bad.jsonl, line 2: .*; expected"),
        ({"tables": [{"name": "t", "source": "empty.csv"}]}, "empty.csv: no records; expected"),
        ({"tables": [{"name": "t", "source": "t.xlsx"}]}, "tells no format"),
        (
            {"tables": [{"name": "t", "source": "t.csv"}], "rules": [{"field": "n", "min": 1}]},
            "field 'n' is in no table",
        ),
        (
            {"tables": [{"name": "t", "source": "t.csv"}], "model": {"connection": "environment"}},
            "the environment names no model",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path, monkeypatch, given, told):
    monkeypatch.setenv("SEQLOOM_DATA", str(tmp_path))
    for name, text in {
        "t.csv": "id,score\na,1\n", "t.xlsx": "x", "empty.csv": "id\n",
        "bad.jsonl": '{"a": 1}\n[\n',
    }.items():  # fmt: skip
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=told):
        read_all(prepare(ReviewParams.model_validate(given)))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "nothing to review"),
        ({"generated": {"count": 2, "data": "poems"}}, "data"),
        ({"tables": [{"name": "a", "source": "x"}] * 2}, "there twice"),
        ({"runs": ["x"], "rules": [{"field": "n"}]}, "asks for nothing"),
        ({"runs": ["x"], "rules": [{"condition": "n +"}]}, "condition"),
        ({"runs": ["x"], "rules": [{"field": "n", "pattern": "("}]}, "regular expression"),
    ],
)
def test_parameters_that_do_not_fit(given, told):
    with pytest.raises(ValidationError, match=told):
        ReviewParams.model_validate(given)


def test_a_table_without_names_tells_its_rows_by_number(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("well,score\n1,0.5\n2,1.5\n3,0.7\n")
    done = reviewed(tables=[{"name": "wells", "source": str(path), "best": "score"}])
    assert "The best row is row 2: score 1.5" in done.text
    assert "Next comes row 3: score 0.7" in done.text
    assert done.result.dropped == 0


def test_the_server_takes_the_form_with_its_parameters():
    """It checks in another way than JSON schema: a field called `required` is lost to it."""
    import yaml
    from prefect.server.schemas.actions import DeploymentCreate
    from prefect.utilities.callables import parameter_schema

    from flows.agents import review

    stanzas = yaml.safe_load(Path("prefect.yaml").read_text())["deployments"]
    given = next(one for one in stanzas if one["name"] == "review")["parameters"]
    schema = parameter_schema(review).model_dump_for_openapi()
    made = {"name": "review", "flow_id": str(uuid4()), "parameters": given}
    assert DeploymentCreate(**made, parameter_openapi_schema=schema).parameters == given


def test_tables_of_one_name_are_told_apart(tmp_path):
    path = tmp_path / "quality.csv"
    path.write_text("id,n\na,1\nb,2\n")
    tables = [{"name": "quality", "source": str(path)}]
    run = prepare(ReviewParams.model_validate({"records": {"source": str(path)}, "tables": tables}))
    assert [one.name for one in run.sources] == ["quality 2", "quality 3"]
    frame = plan_frame(run, {"quality 2": 2})
    assert frame["rows"].tolist()[:2] == ["2", ""]


def test_results_of_a_run_are_found_by_its_folder(tmp_path):
    run = tmp_path / "results" / "design" / "20260101-000000-aaaaaaaa"
    run.mkdir(parents=True)
    (run / "designs.csv").write_text("id,rank,profile_bits\nd2,2,10.5\nd1,1,11.5\nd3,3,1\n")
    manifest = {"run": "r", "items": 9, "kept": 3, "failed": 0, "lost": {"close: x > 2": 6}}
    (run / "RUN.json").write_text(json.dumps({**manifest, "versions": {"a": 1}}))
    run.with_name("latest").symlink_to(run.name)
    done = reviewed(runs=["design/latest"])
    assert "The design run counts items 9, kept 3 and failed 0 [" in done.text
    assert "The best design is d1: rank 1 and profile_bits 11.5 [" in done.text
    assert "“close: x \\> 2” 6" in done.text
    assert done.result.dropped == 0
