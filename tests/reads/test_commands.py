"""`seqloom reads`: what each command does, says and returns."""

import gzip
import io
import json
import shutil
import sys
from pathlib import Path

import pytest

from blocks.locks import claim
from deployments import cli
from tasks.reads import compression

DONE, FAILED, WRONG = 0, 1, 2
READS = "@a 1\nACGTACGT\n+\nIIIIIIII\n@b\nTTTT\n+\nFFFF\n@c\nGG\n+\n##\n"
CONFIG = """
[input]
read1 = 'in.fq'
[[step]]
action = 'CutStart'
n = 2
[[step]]
action = 'FilterEmpty'
segment = 'read1'
[[step]]
action = 'Report'
name = 'after'
count = true
[output]
prefix = 'out'
report_json = true
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with three reads and a configuration."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.fq").write_text(READS)
    (tmp_path / "config.toml").write_text(CONFIG)
    return tmp_path


def names(place: Path) -> set[str]:
    return {path.name for path in place.iterdir()} - {"in.fq", "config.toml"}


def test_process_writes_reads_and_reports(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["reads", "process", "config.toml", "--workers", "2"]) == DONE

    assert names(place) == {"out_read1.fq", "out.json"}
    assert (place / "out_read1.fq").read_text() == "@a 1\nGTACGT\n+\nIIIIII\n@b\nTT\n+\nFF\n"
    assert "3 molecules in, 2 out" in capsys.readouterr().err


def test_every_molecule_is_accounted_for(place: Path) -> None:
    cli.main(["reads", "process", "config.toml"])

    report = json.loads((place / "out.json").read_text())
    told = report["accounting"]
    dropped = sum(step["molecules_in"] - step["molecules_out"] for step in told["steps"])
    assert report["after"]["molecule_count"] == 2
    assert report["report_order"] == ["after"]
    assert report["run_info"]["input_toml"] == CONFIG
    assert told["molecules_in"] == told["molecules_out"] + dropped == 3


def test_older_outputs_stay_unless_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "out_read1.fq").write_text("old")

    assert cli.main(["reads", "process", "config.toml"]) == WRONG
    assert "\nout_read1.fq: exists already; expected " in "\n" + capsys.readouterr().err
    assert (place / "out_read1.fq").read_text() == "old"
    assert names(place) == {"out_read1.fq"}

    assert cli.main(["reads", "process", "config.toml", "--allow-overwrite"]) == DONE
    assert (place / "out_read1.fq").read_text().startswith("@a 1\n")


def test_of_two_runs_with_one_prefix_the_later_is_refused(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with claim(place / "out.incomplete") as alone:
        assert alone
        assert cli.main(["reads", "process", "config.toml"]) == WRONG
    assert "another run is writing" in capsys.readouterr().err
    assert names(place) == set()
    assert cli.main(["reads", "process", "config.toml"]) == DONE


def test_without_its_report_a_run_leaves_no_reads(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "out.json.incomplete").mkdir()
    assert cli.main(["reads", "process", "config.toml"]) == WRONG
    assert "out.json.incomplete: Is a directory" in capsys.readouterr().err
    assert names(place) == {"out.json.incomplete"}


def test_all_files_that_are_missing_are_told(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = "[input]\nread1 = ['a.fq', 'in.fq']\nread2 = ['b.fq', 'c.fq']\n"
    (place / "gone.toml").write_text(inputs + "[output]\nprefix = 'gone'\n")

    assert cli.main(["reads", "process", "gone.toml"]) == WRONG
    missing = "could not open file: there is no such file; expected a file"
    lines = capsys.readouterr().err.strip().split("\n")[-3:]
    assert lines == [f"{name}.fq: {missing}" for name in "abc"]


def test_the_same_file_by_another_name_is_noticed(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "again.fq").symlink_to("in.fq")
    inputs = "[input]\nread1 = 'in.fq'\nread2 = 'again.fq'\n[output]\nprefix = 'twice'\n"
    (place / "twice.toml").write_text(inputs)

    assert cli.main(["reads", "process", "twice.toml"]) == WRONG
    assert "'again.fq' is listed multiple times" in capsys.readouterr().err


def test_input_is_never_overwritten(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "out_read1.fq").write_text(READS)
    (place / "config.toml").write_text(CONFIG.replace("in.fq", "out_read1.fq"))

    assert cli.main(["reads", "process", "config.toml", "--allow-overwrite"]) == WRONG
    assert "out_read1.fq: is an input file; expected another prefix" in capsys.readouterr().err
    assert (place / "out_read1.fq").read_text() == READS


def test_wrong_input_is_one_line_and_no_file(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "in.fq").write_text(READS + "@d\nACGT\n+\nII\n")

    assert cli.main(["reads", "process", "config.toml"]) == WRONG

    error = capsys.readouterr().err.strip().split("\n")[-1]
    assert error.startswith("in.fq: record 4 (line 16)")
    assert names(place) == set()


def test_bgzf_that_may_be_cut_between_blocks_is_noted(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    block = compression.compressor("bgzf")(READS.encode())
    for content, noted in ((block, True), (block + compression.BGZF_END, False)):
        (place / "in.fq").write_bytes(content)
        assert cli.main(["reads", "process", "config.toml", "--allow-overwrite"]) == DONE
        told = capsys.readouterr().err
        assert ("in.fq: BGZF without the mark of its end" in told) is noted


def test_outputs_go_to_another_folder(place: Path) -> None:
    assert cli.main(["reads", "process", "config.toml", "--output-dir", "results/one"]) == DONE

    assert names(place) == {"results"}
    assert names(place / "results" / "one") == {"out_read1.fq", "out.json"}


def test_benchmark_writes_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["reads", "process", "config.toml", "--benchmark"]) == DONE

    assert names(place) == set()
    assert "3 molecules in, 2 out" in capsys.readouterr().err


def test_benchmark_section_repeats_the_input(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"{CONFIG}\n[benchmark]\nenable = true\nmolecule_count = 10\n"
    (place / "config.toml").write_text(text)

    assert cli.main(["reads", "process", "config.toml"]) == DONE

    assert names(place) == set()
    assert "10 molecules in, 7 out" in capsys.readouterr().err


@pytest.mark.parametrize("size", ["1", "2", "1000"])
@pytest.mark.parametrize("workers", ["1", "3"])
def test_outputs_do_not_depend_on_workers_and_blocks(place: Path, workers: str, size: str) -> None:
    arguments = ["reads", "process", "config.toml", "--workers", workers, "--block-size", size]

    assert cli.main(arguments) == DONE
    assert (place / "out_read1.fq").read_text() == "@a 1\nGTACGT\n+\nIIIIII\n@b\nTT\n+\nFF\n"


def test_reads_to_standard_output(place: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    text = CONFIG.replace("prefix = 'out'", "prefix = 'out'\nstdout = true")
    (place / "config.toml").write_text(text)

    assert cli.main(["reads", "process", "config.toml"]) == DONE

    assert capfdbinary.readouterr().out == b"@a 1\nGTACGT\n+\nIIIIII\n@b\nTT\n+\nFF\n"
    assert names(place) == {"out.json"}


def test_page_and_timing(place: Path) -> None:
    text = CONFIG.replace("report_json", "report_html = true\nreport_timing = true\nreport_json")
    (place / "config.toml").write_text(text)

    assert cli.main(["reads", "process", "config.toml"]) == DONE

    page = (place / "out.html").read_text()
    timing = json.loads((place / "out_timing.json").read_text())
    assert "molecule count" in page
    assert ">after<" in page
    assert "step 1 (CutStart)" in page
    assert timing["steps"][0]["step"] == "step 1 (CutStart)"


def test_verify_is_content_with_the_same(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["reads", "process", "config.toml"])

    assert cli.main(["reads", "verify", "config.toml"]) == DONE
    assert "config.toml: outputs are the same" in capsys.readouterr().err


def test_verify_names_the_first_difference(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["reads", "process", "config.toml"])
    text = (place / "out_read1.fq").read_text().replace("\nTT\n", "\nTA\n")
    (place / "out_read1.fq").write_text(text)
    (place / "out_more.fq").write_text("")
    (place / "out.json").unlink()
    capsys.readouterr()

    assert cli.main(["reads", "verify", "config.toml", "--output-dir", "kept"]) == FAILED

    assert capsys.readouterr().err.strip().split("\n")[-3:] == [
        "out_more.fq: is not made any more: only among the earlier outputs",
        "out.json: is not among the earlier outputs; a run makes it",
        "out_read1.fq: line 6 (byte 25): 'TT' instead of 'TA'",
    ]
    assert (place / "kept" / "out_read1.fq").exists()


@pytest.mark.parametrize("prefix", ["in", "config", "made/", "made/out"])
def test_verify_takes_nothing_but_outputs_for_outputs(
    place: Path, prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "config.toml").write_text(CONFIG.replace("prefix = 'out'", f"prefix = '{prefix}'"))
    (place / f"{prefix.rstrip('/')}.txt").parent.mkdir(exist_ok=True)
    cli.main(["reads", "process", "config.toml"])
    for name in (f"{prefix}_notes.txt", f"{prefix}2_read1.fq", f"{prefix}2.toml"):
        (place / name).write_text("")

    assert cli.main(["reads", "verify", "config.toml"]) == DONE, capsys.readouterr().err


def test_verify_says_once_that_there_is_nothing(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["reads", "verify", "config.toml"]) == FAILED
    told = capsys.readouterr().err.strip().split("\n")[-1]
    assert told == "none of the 2 outputs is there, such as out.json"


def test_verify_looks_into_compressed_files(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = CONFIG.replace("prefix = 'out'", "prefix = 'out'\ncompression = 'gzip'")
    (place / "config.toml").write_text(text)
    cli.main(["reads", "process", "config.toml"])
    packed = place / "out_read1.fq.gz"
    packed.write_bytes(gzip.compress(gzip.decompress(packed.read_bytes()), 9))

    assert cli.main(["reads", "verify", "config.toml"]) == DONE


def test_validate_reads_no_data(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "in.fq").unlink()

    assert cli.main(["reads", "validate", "config.toml"]) == DONE
    assert capsys.readouterr().out == "config.toml: 3 steps, segments read1\n"


def test_validate_tells_all_mistakes(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "config.toml").write_text(CONFIG.replace("n = 2", "n = -2").replace("count", "cuont"))

    assert cli.main(["reads", "validate", "config.toml"]) == WRONG

    lines = capsys.readouterr().err.strip().split("\n")
    assert [line.split(";")[0] for line in lines] == [
        "config.toml:6: step 1 (CutStart), n: -2",
        "config.toml:13: step 3 (Report), cuont: unknown key",
    ]


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        ((" 1:N:0:AC", " 2:N:0:AC"), None),
        (("/1", "/2"), None),
        ((" one", " two"), None),
        ((" 1:N:0:AC", " 3:N:0:AC"), None),
        ((" 2:N:0:AC", " 1:N:0:AC"), "hold the reads 2 and 1, in that order"),
        (("/1", "/1"), "both hold the reads 1"),
        (("/2 x", "/1 x"), "hold the reads 2 and 1, in that order"),
    ],
)
def test_mates_in_the_wrong_order_are_remarked(
    place: Path, ends: tuple[str, str], told: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, end in enumerate(ends, 1):
        (place / f"m{number}.fq").write_text(f"@x{end}\nACGT\n+\nIIII\n" * 2)
    inputs = "[input]\nread1 = 'm1.fq'\nread2 = 'm2.fq'\n[output]\nprefix = 'mates'\n"
    (place / "mates.toml").write_text(inputs)

    assert cli.main(["reads", "process", "mates.toml"]) == DONE
    error = capsys.readouterr().err
    assert (told in error) if told else "by the names of the first" not in error
    assert "2 molecules in, 2 out" in error


def test_missing_configuration_is_one_line(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["reads", "process", "none.toml"]) == WRONG
    assert capsys.readouterr().err == "none.toml: no such file; expected a configuration\n"


def test_template_shows_one_step(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["reads", "template", "cutstart"]) == DONE
    assert 'action = "CutStart"' in capsys.readouterr().out

    assert cli.main(["reads", "template", "CutStar"]) == WRONG
    assert "did you mean 'CutStart'" in capsys.readouterr().err


def test_steps_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["reads", "list-steps"]) == DONE

    lines = capsys.readouterr().out.strip().split("\n")
    assert any(line.startswith("CutStart ") for line in lines)
    assert lines == sorted(lines)


def test_reads_come_from_standard_input(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "config.toml").write_text(CONFIG.replace("in.fq", "--stdin--"))
    with (place / "in.fq").open("rb") as file:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.FileIO(file.fileno(), closefd=False)))

        assert cli.main(["reads", "process", "config.toml"]) == DONE

    assert (place / "out_read1.fq").read_text().startswith("@a 1\nGTACGT\n")


def test_a_read_that_a_step_refuses_is_named_with_its_file(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "more.fq").write_text("@d\nACGT\n+\nIIII\n@e\nAXGT\n+\nIIII\n")
    (place / "config.toml").write_text(
        "[input]\nread1 = ['in.fq', 'more.fq']\n[output]\nprefix = 'out'\n"
        "[[step]]\naction = 'ValidateSeq'\nsegment = 'read1'\nallowed = 'ACGT'\n"
    )

    assert cli.main(["reads", "process", "config.toml"]) == WRONG

    error = capsys.readouterr().err.strip().split("\n")[-1]
    assert error.startswith("more.fq: record 2: read 5 of read1 ('e'): invalid base")
    assert names(place) == {"more.fq"}


def test_the_example_runs_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "deployments").symlink_to(Path(__file__).parents[2] / "deployments")
    monkeypatch.chdir(tmp_path)

    assert cli.main(["reads", "process", "deployments/example/reads.toml"]) == DONE

    error = capsys.readouterr().err.strip()
    assert error.startswith("120 molecules in, 107 out, ")
    assert error.endswith(
        " 4 files: results/heart_read1.fq.gz, results/heart_read2.fq.gz, results/heart.json,"
        " results/heart.html"
    )


def test_the_example_with_barcodes_gives_files_of_each_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    example = Path(__file__).parents[2] / "deployments" / "example" / "demultiplex.toml"
    shutil.copy(example, tmp_path)
    monkeypatch.chdir(tmp_path)
    for lane, barcode in enumerate(("ACGTAC", "TTGCAT"), 1):  # the second with a wrong letter
        for mate in (1, 2):
            bases = f"AACCGGTT{barcode}GATTACA"
            text = f"@r{lane} {mate}:N:0\n{bases}\n+\n{'I' * len(bases)}\n"
            (tmp_path / f"L{lane}_R{mate}.fastq.gz").write_bytes(gzip.compress(text.encode()))

    assert cli.main(["reads", "process", "demultiplex.toml"]) == DONE
    assert "2 molecules in, 2 out" in capsys.readouterr().err
    for sample, name in (("liver", "r1"), ("heart", "r2")):
        text = gzip.decompress((tmp_path / f"out_{sample}_read1.fq.gz").read_bytes()).decode()
        assert text.startswith(f"@{name}|umi=AACCGGTT 1:N:0\n")
    assert gzip.decompress((tmp_path / "out_no-barcode_read1.fq.gz").read_bytes()) == b""
