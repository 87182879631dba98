"""The pipeline of reads from parameters to files, with a real Prefect server."""

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from blocks.errors import InputError, SeqloomError
from blocks.settings import settings
from flows.reads import plan, process, verify
from tasks.reads.model import ReadsParams, VerifyParams
from tasks.reads.run_files import TAKEN
from tests.flows.slow_reads import STEPS, done_small, fastq, slow, under_way
from tests.waiting import until

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("prefect_server")]


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    """Two pairs; the first one has two lanes."""
    rows = ["sample,fastq_1,fastq_2"]
    for seed, (sample, lane) in enumerate([("a", 1), ("a", 2), ("b", 1)]):
        names = [tmp_path / f"{sample}{lane}_{mate}.fq.gz" for mate in (1, 2)]
        for mate, name in enumerate(names):
            name.write_bytes(gzip.compress(fastq(30, 2 * seed + mate).encode()))
        rows.append(f"{sample},{names[0]},{names[1]}")
    path = tmp_path / "sheet.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def params(sheet: Path, **others) -> ReadsParams:
    content = {"input": {"samplesheet": str(sheet)}, "steps": STEPS, **others}
    return ReadsParams.model_validate(content)


def test_a_run_leaves_a_whole_folder_and_sums_add_up(sheet):
    result = process(params(sheet))

    folder = Path(result.folder)
    assert (result.samples, result.failed, result.molecules_in) == (2, 0, 90)
    assert result.molecules_out + sum(result.lost.values()) == 90
    table = pd.read_csv(folder / "samples.csv").set_index("sample")
    lost = table[[name for name in table if name.startswith("lost at")]].sum(axis=1)
    assert (table["molecules out"] + lost).to_dict() == {"a": 60, "b": 30}
    with gzip.open(folder / "a" / "a_read1.fq.gz", "rt") as reads:
        assert len(reads.readlines()) == 4 * 40
    sums = dict(
        reversed(line.split("  "))
        for line in (folder / "checksums.sha256").read_text().splitlines()
    )
    assert {"a/a_read1.fq.gz", "a/a.json", "b/b.html", "report.html"} <= sums.keys()
    for name, digest in sums.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert json.loads((folder / "RUN.json").read_text())["molecules_in"] == 90
    page = (folder / "report.html").read_text()
    assert "Quality by cycle" in page
    assert 'href="a/a_read1.fq.gz"' in page
    assert '<a href="b/b.html">b</a>' in page
    assert page.index("Configuration</h2>") < page.index("Time of each step</h2>")
    assert (folder / "multiqc" / "reads_mqc.tsv").read_text().startswith("# id: seqloom_reads")


def test_a_sample_that_is_done_is_not_done_again(sheet):
    first = process(params(sheet))
    _, planned = plan(params(sheet))
    second = process(params(sheet))

    assert set(planned["to do"]) == {"nothing, is there"}
    assert (second.computed, second.cached) == (0, 2)
    assert second.digests == first.digests
    assert second.folder != first.folder
    assert process(params(sheet, refresh=True)).computed == 2


def test_only_the_sample_whose_files_changed_is_done_again(sheet):
    process(params(sheet))
    (sheet.parent / "b1_1.fq.gz").write_bytes(gzip.compress(fastq(30, 99).encode()))

    assert (process(params(sheet)).computed, process(params(sheet)).cached) == (1, 2)


def test_outputs_that_are_gone_are_made_again(sheet):
    process(params(sheet))
    for folder in Path(settings().results, "reads", ".samples").glob("a-*"):
        shutil.rmtree(folder)

    assert process(params(sheet)).computed >= 1


def test_results_do_not_depend_on_the_number_of_workers(sheet):
    one = process(params(sheet, workers=1, refresh=True))
    three = process(params(sheet, workers=3, refresh=True))

    same = {name for name, digest in one.digests.items() if three.digests[name] == digest}
    assert same >= {"a/a_read1.fq.gz", "a/a_read2.fq.gz", "b/b_read1.fq.gz", "b/b_read2.fq.gz"}


def test_a_preset_needs_no_configuration(sheet):
    given = {"preset": "fastp", "steps": ()}
    _, planned = plan(params(sheet, **given))
    result = process(params(sheet, **given))

    folder = Path(result.folder)
    assert planned["sample"].tolist() == ["a", "b"]
    assert result.molecules_out + sum(result.lost.values()) == result.molecules_in == 90
    told = json.loads((folder / "a" / "a.fastp.json").read_text())
    assert told["summary"]["before_filtering"]["total_reads"] == 120
    assert "TrimAdaptersByOverlap" in (folder / "pipeline_info" / "configuration.txt").read_text()
    assert "before read1 (mean of scores)" in (folder / "report.html").read_text()
    assert verify(VerifyParams(run=result.folder)).samples == 2


def test_lanes_as_tasks_of_their_own_give_the_whole_sample(sheet):
    whole = process(params(sheet, refresh=True))
    split = {"shard_mb": 0.001}
    _, planned = plan(params(sheet, **split, refresh=True))
    result = process(params(sheet, **split, refresh=True))

    assert planned["tasks"].tolist() == ["2", "1"]
    assert (result.computed, result.molecules_in) == (2, 90)
    assert (result.molecules_out, result.lost) == (whole.molecules_out, whole.lost)
    assert result.digests.keys() == whole.digests.keys()
    one, other = (Path(each.folder) / "a" for each in (whole, result))
    for name in ("a_read1.fq.gz", "a_read2.fq.gz"):
        texts = [gzip.decompress((each / name).read_bytes()) for each in (one, other)]
        assert texts[0] == texts[1]
    reports = [json.loads((each / "a.json").read_text()) for each in (one, other)]
    assert reports[0]["after"] == reports[1]["after"]
    assert verify(VerifyParams(run=result.folder)).samples == 2
    samples = Path(settings().results, "reads", ".samples")
    assert not list(samples.glob("*-parts"))

    again = process(params(sheet, **split))
    assert (again.cached, again.digests["a/a_read1.fq.gz"]) == (
        *(2, result.digests["a/a_read1.fq.gz"]),
    )
    for folder in samples.glob("a-*"):
        shutil.rmtree(folder)
    assert process(params(sheet, **split)).computed == 1


def test_the_reason_of_a_part_is_that_of_the_sample(sheet):
    (sheet.parent / "a2_2.fq.gz").write_bytes(gzip.compress(fastq(29).encode()))

    result = process(params(sheet, shard_mb=0.001))

    assert (result.failed, list(result.failures)) == (1, ["a"])
    assert "holds 29 reads" in result.failures["a"]
    assert not list(Path(settings().results, "reads", ".samples").glob("a-*-parts/30-*"))


def test_steps_that_need_the_order_are_not_split(sheet):
    steps = [{"action": "Head", "n": 5}]

    with pytest.raises(InputError, match=r"shard_mb: sample a: step 1 \(Head\) needs all reads"):
        plan(params(sheet, steps=steps, shard_mb=0.001))


def test_a_dry_run_leaves_no_folder(sheet):
    result = process(params(sheet, dry_run=True))

    assert (result.folder, [row["sample"] for row in result.plan]) == ("", ["a", "b"])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda path: path.write_bytes(path.read_bytes()[:-30]),
            r"b1_2.fq.gz: compressed data end too early",
        ),
        (
            lambda path: path.write_bytes(gzip.compress(fastq(29).encode())),
            r"b1_2.fq.gz\) holds 29 reads",
        ),
        (
            lambda path: path.write_bytes(gzip.compress(b"@a\nACGT\n+\nIII\n")),
            r"b1_2.fq.gz: record 1 \(line 4\)",
        ),
    ],
    ids=["truncated", "unequal counts", "quality of another length"],
)
def test_a_sample_that_fails_is_named_and_leaves_the_others_alone(sheet, damage, message):
    damage(sheet.parent / "b1_2.fq.gz")

    result = process(params(sheet))

    assert (result.samples, result.failed) == (2, 1)
    (reason,) = result.failures.values()
    assert pd.Series([reason]).str.contains(message).all(), reason
    folder = Path(result.folder)
    assert (folder / "a" / "a_read1.fq.gz").exists()
    assert not (folder / "b").exists()
    assert pd.read_csv(folder / "failed.csv")["sample"].tolist() == ["b"]
    assert {path.name for path in folder.iterdir()} == {"a", *TAKEN} - {"latest"}
    assert not list(Path(settings().results, "reads", ".samples").glob("b-*/*.incomplete"))


def test_a_run_without_any_results_fails_with_the_reason(tmp_path):
    (tmp_path / "x.fq").write_text("@a\nACGT\n+\nII\n")
    given = {"input": {"read1": [str(tmp_path / "x.fq")], "sample": "x"}, "steps": STEPS}

    with pytest.raises(InputError, match=r"x\.fq.*record 1"):
        process(ReadsParams.model_validate(given))


def test_missing_files_are_told_before_any_work(sheet):
    with sheet.open("a") as file:
        file.write("c,gone_1.fq,gone_2.fq\n")

    with pytest.raises(InputError) as caught:
        process(params(sheet))

    assert str(caught.value).splitlines() == [
        f"{sheet}, row 5, column fastq_{mate}: gone_{mate}.fq: no such file; expected a file that"
        " can be read"
        for mate in (1, 2)
    ]


def test_an_earlier_run_is_verified(sheet):
    result = process(params(sheet))

    assert verify(VerifyParams(run=result.folder)).samples == 2
    assert verify(VerifyParams()).folder == result.folder


def test_the_first_difference_is_named(sheet):
    folder = Path(process(params(sheet)).folder)
    reads = folder / "b" / "b_read1.fq.gz"
    text = gzip.decompress(reads.read_bytes()).replace(b"@r4\n", b"@r5\n", 1)
    reads.unlink()  # a link
    reads.write_bytes(gzip.compress(text))

    with pytest.raises(SeqloomError, match=r"1 of 2 samples differ; first: b, b_read1.*line 9 "):
        verify(VerifyParams(run=str(folder)))


def test_verify_says_when_an_input_has_changed(sheet):
    folder = process(params(sheet)).folder
    (sheet.parent / "b1_1.fq.gz").write_bytes(gzip.compress(fastq(30, 98).encode()))

    with pytest.raises(SeqloomError, match=r"first: b, .*b1_1\.fq\.gz: changed since that run"):
        verify(VerifyParams(run=folder))


def test_verify_refuses_what_is_no_run(tmp_path):
    with pytest.raises(InputError, match="holds no finished run of reads"):
        verify(VerifyParams(run=str(tmp_path)))


def begun(prefect_server, tmp_path: Path) -> subprocess.Popen:
    """A run in a process of its own, in the middle of its second sample."""
    (tmp_path / "p.json").write_text(json.dumps(slow(tmp_path)))
    command = [sys.executable, "-m", "deployments.cli", "run", "reads", str(tmp_path / "p.json")]
    home = {"PREFECT_HOME": os.environ["PREFECT_HOME"]}  # stored results lie there
    running = subprocess.Popen(command, env=prefect_server.environment | home)
    until(lambda: (under_way() and done_small()) or running.poll() is not None)
    return running


def test_a_killed_run_is_gone_on_with(prefect_server, tmp_path):
    """The sample that was done stays; the one that was being written leaves no whole file."""
    running = begun(prefect_server, tmp_path)
    running.kill()
    running.wait()
    (folder,) = {path.parent for path in under_way()}
    assert not [path for path in folder.iterdir() if path.suffix != ".incomplete"]

    wanted = json.loads((tmp_path / "p.json").read_text())
    result = process(ReadsParams.model_validate(wanted))

    assert (result.computed, result.cached, result.failed) == (1, 1, 0)
    assert not under_way()


def test_a_terminated_run_ends_its_engine(prefect_server, tmp_path):
    running = begun(prefect_server, tmp_path)

    running.terminate()

    assert running.wait(60) != 0
    assert not under_way()
