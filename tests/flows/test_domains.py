"""Domains from parameters to files, with a real Prefect server and real programs."""

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from blocks import database
from blocks.batch_items import find_batch
from blocks.errors import InputError, InputProblems, SeqloomError
from blocks.storage import filesystem_of, open_uri
from deployments import cli
from deployments.local import deploy, worker
from flows.domains import annotate, plan
from tasks.domains.model import DomainsParams
from tests.domains.programs import calls, put_first
from tests.domains.small_reference import quickly_built, sequences
from tests.waiting import until

pytestmark = [
    pytest.mark.engine,
    pytest.mark.tool,
    pytest.mark.usefixtures("prefect_server", "own_place"),
]
PROTEINS = sequences()
FEW = list(PROTEINS)[:4]
ALONE = {"profiles": {"method": "single"}, "hhsearch": {"chunk_size": 2}}
"""Profiles of single sequences cost nothing."""
UNSURE = {"min_confidence": 1.0}
"""No domain is sure enough, so that HHsearch has to search all proteins."""


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> Path:
    return quickly_built(tmp_path_factory.mktemp("reference"))


def fasta(path: Path, names=FEW) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f">{name} of a test\n{PROTEINS[name]}\n" for name in names))
    return path


@pytest.fixture
def params(tmp_path, reference):
    """Makes parameters; the input is four proteins unless others are given."""

    def made(source: Path | None = None, **others) -> DomainsParams:
        content = {
            "input": {"sequences": str(source or fasta(tmp_path / "few.fasta"))},
            "reference": str(reference), "mode": "BLAST_ONLY", "search": ALONE, **others,
        }  # fmt: skip
        return DomainsParams.model_validate(content)

    return made


def table(result, name: str) -> pd.DataFrame:
    return pd.read_csv(Path(result.folder) / name, sep="\t" if name.endswith("tsv") else ",")


def test_a_run_leaves_a_whole_folder_and_counts_add_up(params, tmp_path):
    source = fasta(tmp_path / "all.fasta", list(PROTEINS))
    result = annotate(params(source, mode="FULL"))

    folder = Path(result.folder)
    counts = table(result, "counts.tsv").set_index("what")["proteins"]
    assert counts["records read"] == len(PROTEINS) == counts.drop("records read").sum()
    assert result.failed == 0
    domains = table(result, "domains.tsv").set_index(["protein", "number"])
    one = domains.loc[("inserted", 1)]
    assert one["classification"] == "x.3.1.1"
    first, last = one["range"].split(",")
    assert first.split("-")[0] == "1"
    assert int(last.split("-")[1]) == len(PROTEINS["inserted"])
    assert len(pd.read_parquet(folder / "domains.parquet")) == len(domains) == result.domains
    proteins = table(result, "proteins.tsv").set_index("protein")
    assert proteins.loc["peptide", "outcome"] == "peptide"
    assert proteins["assigned"].sum() + table(result, "unassigned.tsv")["length"].sum() == sum(
        map(len, PROTEINS.values())
    )
    assert set(pd.read_parquet(folder / "evidence.parquet")["source"]) >= {"chain_blast"}
    for kind in ("summaries", "partitions"):
        with zipfile.ZipFile(folder / "xml" / f"{kind}.zip") as packed:
            assert len(packed.namelist()) == len(PROTEINS)
    sums = [line.split("  ") for line in (folder / "checksums.sha256").read_text().splitlines()]
    for digest, name in sums:
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    manifest = json.loads((folder / "RUN.json").read_text())
    assert manifest["versions"]["blastp"].startswith("2.")
    assert '"id":"inserted"' in (folder / "report.html").read_text()


def test_evidence_and_results_may_lie_in_a_bucket(params, monkeypatch, s3_server, reference):
    place = f"{s3_server}/{reference.parent.name}"
    for name in ("storage", "results"):
        monkeypatch.setenv(f"SEQLOOM_{name.upper()}", f"{place}/{name}")
    first = annotate(params())
    again = annotate(params())

    assert first.folder.startswith(f"{place}/results/domains/")
    with open_uri(f"{first.folder}/proteins.tsv") as file:
        assert pd.read_csv(file, sep="\t")["protein"].tolist() == FEW
    assert "checksums.sha256" in str(sorted(filesystem_of(first.folder)[0].ls(first.folder)))
    assert (first.computed, again.computed, again.cached) == (8, 0, 8)


def test_a_second_run_searches_nothing_and_finds_the_same(params, tmp_path, monkeypatch):
    first = annotate(params(mode="FULL", partition=UNSURE))
    log = put_first(tmp_path, monkeypatch, "blastp")
    hh_log = put_first(tmp_path, monkeypatch, "hhsearch")
    text, planned = plan(params(mode="FULL", partition=UNSURE))
    second = annotate(params(mode="FULL", partition=UNSURE))

    assert "batch few: FULL against small" in text
    assert planned["stored"].tolist()[:3] == ["4", "4", "4"]
    assert (calls(log), calls(hh_log), second.computed, second.cached) == (0, 0, 0, 12)
    assert second.digests["domains.tsv"] == first.digests["domains.tsv"]
    assert second.folder != first.folder


def test_hhsearch_is_left_out_where_blast_covers_the_protein(params, tmp_path, monkeypatch):
    log = put_first(tmp_path, monkeypatch, "hhsearch")
    source = fasta(tmp_path / "some.fasta", [FEW[0], "orphan"])
    result = annotate(params(source, mode="FULL", hhsearch_below_coverage=0.5))

    assert (result.proteins, calls(log)) == (2, 1)
    status = find_batch(database.engine(), "some").status()
    assert (status.stages["hhsearch"]["skipped"], status.stages["hhsearch"]["done"]) == (1, 1)


def begun(prefect_server, tmp_path, content: DomainsParams) -> subprocess.Popen:
    """A run in a process of its own."""
    path = tmp_path / "params.json"
    path.write_text(content.model_dump_json(exclude_unset=True))
    command = [sys.executable, "-m", "deployments.cli", "run", "domains", str(path)]
    own = {n: v for n, v in os.environ.items() if n.startswith(("SEQLOOM_", "PATH"))}
    home = {"PREFECT_HOME": os.environ["PREFECT_HOME"]}
    return subprocess.Popen(command, env={**prefect_server.environment, **own, **home})


def stage_states(batch: str, stage: str) -> dict[str, int]:
    try:
        return find_batch(database.engine(), batch).status().stages[stage]
    except InputError:
        return {"done": 0, "running": 0}


def test_a_run_killed_in_hhsearch_goes_on_and_repeats_nothing(
    params, tmp_path, monkeypatch, prefect_server, capsys
):
    wanted = params(mode="FULL", partition=UNSURE)
    slow = put_first(tmp_path, monkeypatch, "hhsearch", before="sleep 1")
    running = begun(prefect_server, tmp_path, wanted)
    until(lambda: stage_states("few", "hhsearch")["done"] >= 1 or running.poll() is not None, 180)
    assert cli.main(["domains", "status", "few", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    running.kill()
    running.wait()
    finished = stage_states("few", "hhsearch")["done"]
    assert 1 <= finished < len(FEW), calls(slow)
    assert told["run"]["status"] == "running"
    assert told["stages"]["chain_blast"]["done"] == len(FEW)
    assert sum(told["stages"]["hhsearch"].values()) == len(FEW)

    blast_log = put_first(tmp_path, monkeypatch, "blastp")
    hh_log = put_first(tmp_path, monkeypatch, "hhsearch")
    result = annotate(wanted)

    assert calls(blast_log) == 0
    assert calls(hh_log) == len(FEW) - finished
    assert (result.proteins, result.failed) == (len(FEW), 0)
    capsys.readouterr()
    assert cli.main(["domains", "status", "few"]) == 0
    assert "completed" in capsys.readouterr().out


CRASH = f'if grep -q {PROTEINS[FEW[1]][:30]} "$2"; then kill -s SEGV $$; fi'


def test_a_protein_that_crashes_a_program_fails_alone_and_can_be_tried_again(
    params, tmp_path, monkeypatch, capsys
):
    with monkeypatch.context() as patch:
        put_first(tmp_path, patch, "blastp", before=CRASH)
        result = annotate(params())
    assert (result.proteins, result.failed) == (4, 1)
    failed = table(result, "failed.csv")
    assert failed["id"].tolist() == [FEW[1]]
    assert failed["sequence"].tolist() == [PROTEINS[FEW[1]]]
    assert "segmentation fault" in failed["error"][0]
    assert table(result, "proteins.tsv").set_index("protein").loc[FEW[1], "outcome"] == "failed"
    assert cli.main(["domains", "failed", "few"]) == 0
    assert "segmentation fault" in capsys.readouterr().out

    log = put_first(tmp_path, monkeypatch, "blastp")
    again = annotate(params(proteins="failed"))

    assert (again.proteins, again.failed, again.left_out) == (1, 0, 3)
    assert calls(log) == 2
    assert table(again, "proteins.tsv")["protein"].tolist() == [FEW[1]]
    assert find_batch(database.engine(), "few").status().items["done"] == 4
    as_input = annotate(params(Path(result.folder) / "failed.csv"))
    assert (as_input.proteins, as_input.computed) == (1, 0)


def test_without_continuing_the_run_ends_at_the_first_failure(params, tmp_path, monkeypatch):
    in_chains = CRASH.replace("; then", ' && [ "${4##*/}" = chains ]; then')
    log = put_first(tmp_path, monkeypatch, "blastp", before=in_chains)
    search = {"blast": {"chunk_size": 1}, "threads": 1}

    with pytest.raises(SeqloomError, match=rf"{FEW[1]}, chain_blast: .*segmentation fault"):
        annotate(params(continue_on_error=False, search=search))

    assert calls(log) <= 4 + 2, "of eight searches those that were under way"
    status = find_batch(database.engine(), "few").status()
    assert not any(counts["running"] for counts in status.stages.values())
    assert (status.items["running"], status.items["failed"]) == (0, 1)


def test_a_cut_output_is_asked_for_again(params, tmp_path, monkeypatch):
    once = f'if mkdir {tmp_path}/cut 2>/dev/null; then truncate -s -20 "$out"; fi'
    log = put_first(tmp_path, monkeypatch, "blastp", after=once)
    result = annotate(params())

    assert (result.failed, calls(log)) == (0, 4)


def test_outputs_that_are_always_cut_fail_with_their_reason(params, tmp_path, monkeypatch):
    put_first(tmp_path, monkeypatch, "blastp", after='truncate -s -20 "$out"')
    result = annotate(params())

    assert (result.proteins, result.failed) == (4, 4)
    assert all("its output is cut" in reason for reason in result.failures.values())


def test_a_time_limit_kills_the_program(params, tmp_path, monkeypatch):
    pid = tmp_path / "pid"
    put_first(tmp_path, monkeypatch, "blastp", before=f"echo $$ > {pid}; sleep 600")
    result = annotate(params(stage_limit_s=1.0))

    assert result.failed == 4
    assert all("killed at its time limit of" in reason for reason in result.failures.values())
    assert not Path("/proc", pid.read_text().strip()).exists()


def test_the_limit_of_the_run_leaves_what_is_done(params, tmp_path, monkeypatch):
    annotate(params(fasta(tmp_path / "one.fasta", FEW[:1])))
    put_first(tmp_path, monkeypatch, "blastp", before="sleep 600")
    source = fasta(tmp_path / "few.fasta")
    small = {**ALONE, "blast": {"chunk_size": 1}}
    result = annotate(params(source, search=small, total_limit_s=4.0))

    assert (result.proteins, result.failed) == (4, 3)
    assert table(result, "proteins.tsv")["outcome"].tolist().count("failed") == 3


def test_a_missing_part_of_the_reference_is_told_before_any_work(params, tmp_path, reference):
    broken = quickly_built(tmp_path / "broken")
    (broken / "blast" / "domains.psq").unlink()

    with pytest.raises(InputError, match=r"blast/domains.psq: is missing"):
        annotate(params(reference=str(broken)))
    with pytest.raises(InputError, match=r"^reference 'nowhere': not known; expected one"):
        plan(params(reference="nowhere"))


def test_a_part_of_the_reference_that_was_damaged_is_not_searched(params, tmp_path):
    damaged = quickly_built(tmp_path / "damaged") / "blast" / "domains.psq"
    content = damaged.read_bytes()
    damaged.unlink()  # the file that was built has other names
    damaged.write_bytes(content[:100] + b"\x01" * 50 + content[150:])

    with pytest.raises(InputError, match=r"domains\.psq: not what was built"):
        annotate(params(reference=str(damaged.parents[1])))


def test_a_folder_is_gone_on_with_new_proteins_only(params, tmp_path, monkeypatch):
    inbox = tmp_path / "inbox"
    fasta(inbox / "a.fasta", FEW[:2])
    given = {"sequences": str(inbox), "settle_s": 0}
    wanted = {"input": given, "proteins": "new"}
    first = annotate(params(**wanted))
    fasta(inbox / "b.fasta", FEW[1:3])
    (inbox / "notes.txt").write_text("no sequences")
    log = put_first(tmp_path, monkeypatch, "blastp")
    second = annotate(params(**wanted))
    third = annotate(params(**wanted))

    assert (first.batch, first.proteins) == ("inbox", 2)
    assert (second.proteins, second.left_out, second.repeated) == (1, 2, 1)
    assert calls(log) == 2
    assert (third.folder, third.left_out) == ("", 3)


def test_with_other_parameters_a_protein_is_new_but_not_searched_again(
    params, tmp_path, monkeypatch
):
    fasta(tmp_path / "a.fasta", FEW[:2])
    wanted = {"input": {"sequences": str(tmp_path / "a.fasta")}, "proteins": "new"}
    annotate(params(**wanted))
    log = put_first(tmp_path, monkeypatch, "blastp")
    other = annotate(params(**wanted, partition={"min_confidence": 0.95}))
    again = annotate(params(**wanted, partition={"min_confidence": 0.95}))
    assert (other.proteins, other.left_out) == (2, 0)
    assert calls(log) == 0
    assert (again.proteins, again.left_out) == (0, 2)


def test_files_that_just_changed_wait(params, tmp_path):
    inbox = tmp_path / "inbox"
    fasta(inbox / "a.fasta", FEW[:2])
    wanted = {"input": {"sequences": str(inbox), "settle_s": 3_600}}

    result = annotate(params(**wanted, proteins="new"))
    assert (result.folder, result.waiting) == ("", 1)
    with pytest.raises(
        InputError, match=r"no files of sequences that have not just changed \(1 have"
    ):
        annotate(params(**wanted))


def test_a_bad_file_of_a_folder_leaves_the_others_alone(params, tmp_path):
    inbox = tmp_path / "inbox"
    fasta(inbox / "a.fasta", FEW[:2])
    (inbox / "b.fasta").write_text(">x\nMKV1\n")
    wanted = {"input": {"sequences": str(inbox), "settle_s": 0}}

    result = annotate(params(**wanted))
    assert (result.proteins, result.refused) == (2, 1)
    page = (Path(result.folder) / "report.html").read_text()
    assert f"A file was left out. {inbox}/b.fasta, record 1 (x), sequence" in page
    with pytest.raises(InputProblems, match=r"b.fasta, record 1 \(x\), sequence, position 4"):
        annotate(params(**wanted, continue_on_error=False))


def test_analysis_only_says_what_is_missing_and_searches_nothing(params, tmp_path, monkeypatch):
    both = fasta(tmp_path / "both.fasta", FEW[:2])
    with pytest.raises(InputError, match=r"missing 2 chain blast, 2 domain blast; expected"):
        annotate(params(both, mode="ANALYSIS_ONLY"))
    searched = annotate(params(fasta(tmp_path / "one.fasta", FEW[:1])))
    log = put_first(tmp_path, monkeypatch, "blastp")
    result = annotate(params(both, mode="ANALYSIS_ONLY"))

    assert (result.proteins, result.failed, calls(log)) == (2, 1, 0)
    assert "no stored evidence of chain_blast and domain_blast" in result.failures[FEW[1]]
    shared = table(result, "domains.tsv")
    assert shared.equals(table(searched, "domains.tsv"))


def test_two_ids_of_one_sequence_are_searched_once_and_both_reported(params, tmp_path):
    source = fasta(tmp_path / "twins.fasta", FEW[:1])
    source.write_text(source.read_text() + f">twin\n{PROTEINS[FEW[0]].lower()}\n")
    result = annotate(params(source))

    assert (result.proteins, result.computed) == (2, 2)
    found = table(result, "domains.tsv").groupby("protein")["range"].apply(list)
    assert found["twin"] == found[FEW[0]]


def test_a_dry_run_searches_nothing_and_leaves_nothing(params, tmp_path, monkeypatch):
    log = put_first(tmp_path, monkeypatch, "blastp")
    result = annotate(params(dry_run=True))

    assert [row["to search"] for row in result.plan] == ["4", "4", ""]
    assert (calls(log), result.folder) == (0, "")
    assert not (tmp_path / "results").exists()


def test_the_deployment_runs_on_a_worker(params, prefect_server, tmp_path):
    wanted = {"params": json.loads(params().model_dump_json(exclude_unset=True))}
    arguments = ["deployment", "run", "domains/annotate", "--watch"]

    with worker(prefect_server):
        deploy(prefect_server, "domains/annotate")
        prefect_server.run(*arguments, "--params", json.dumps(wanted))

    folder = Path(prefect_server.environment["SEQLOOM_RESULTS"], "domains", "latest")
    assert len(pd.read_csv(folder / "proteins.tsv", sep="\t")) == 4
