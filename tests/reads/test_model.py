"""Parameters of runs over reads: what fits together, and the jobs that come of them."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from blocks.errors import InputError, InputProblems
from tasks.reads.jobs import SampleJob, jobs_of
from tasks.reads.model import ReadsParams

READS = "@a\nACGT\n+\nIIII\n"
CUT = {"action": "CutStart", "segment": "read1", "n": 1}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of data, with files of two samples."""
    monkeypatch.setenv("SEQLOOM_DATA", str(tmp_path))
    for name in ("a_1.fq", "a_2.fq", "b_1.fq"):
        (tmp_path / name).write_text(READS.replace("a", name[0], 1))
    (tmp_path / "sheet.csv").write_text("sample,fastq_1,fastq_2\na,a_1.fq,a_2.fq\nb,b_1.fq,\n")
    return tmp_path


def params(**given) -> ReadsParams:
    return ReadsParams.model_validate({"steps": [CUT], "input": {"read1": ["a_1.fq"]}} | given)


def one(**given) -> SampleJob:
    (job,) = jobs_of(params(**given))
    return job


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"steps": []}, "no preset, no configuration and no steps"),
        ({"configuration": "c.toml"}, "both configuration and steps"),
        ({"preset": "fastp"}, "both preset and steps"),
        ({"preset": "fastp", "steps": [], "input": {}}, "no samplesheet and no files"),
        ({"preset": "fastq", "steps": []}, "'fastp' or 'fastp-strict'"),
        ({"input": {}}, "no samplesheet and no files"),
        ({"input": {"samplesheet": "s.csv", "read1": ["x"]}}, "both a samplesheet and files"),
        ({"input": {"read2": ["x"]}}, "read1: no files"),
        ({"input": {"read1": ["x", "y"], "read2": ["z"]}}, r"\(read1: 2, read2: 1\)"),
        ({"input": {"read1": ["x"], "sample": "../x"}}, "sample: '../x'"),
        ({"input": {"read1": ["x"], "sample": "Multiqc"}}, "sample: 'Multiqc' is what a run"),
        ({"workers": 0}, "greater than or equal to 1"),
    ],
)
def test_settings_that_do_not_fit_cannot_be_made(given, message):
    with pytest.raises(ValidationError, match=message):
        params(**given)


def test_a_sheet_gives_a_job_for_each_sample():
    jobs = jobs_of(params(input={"samplesheet": "sheet.csv"}))

    assert [(job.sample, list(job.inputs)) for job in jobs] == [
        ("a", ["read1", "read2"]),
        ("b", ["read1"]),
    ]
    assert jobs[0].configured(Path("out")).output.prefix == "a"


@pytest.mark.parametrize("other", ["./a_1.fq", "link.fq", "{place}/a_1.fq"])
def test_one_file_as_two_lanes_is_noticed_however_it_is_spelt(place, other):
    (place / "link.fq").symlink_to(place / "a_1.fq")
    other = other.format(place=place)
    (place / "sheet.csv").write_text(f"sample,fastq_1\na,a_1.fq\na,{other}\n")

    with pytest.raises(InputProblems, match=r"row 3, column fastq_1: .* stands in row 2, column"):
        jobs_of(params(input={"samplesheet": "sheet.csv"}))


def test_a_name_for_a_file_that_no_system_has_is_told_with_its_row(place):
    (place / "sheet.csv").write_text(f"sample,fastq_1\na,{9_000 * 'x'}\n")

    with pytest.raises(InputProblems, match=r"row 2, column fastq_1: x+\.\.\.: no such file"):
        jobs_of(params(input={"samplesheet": "sheet.csv"}))


def test_a_prefix_that_is_no_name_for_a_sample_is_refused(place):
    (place / "c.toml").write_text("[input]\nread1 = 'a_1.fq'\n[output]\nprefix = 'latest'\n")

    with pytest.raises(InputError, match="sample 'latest', from the prefix, is what a run calls"):
        jobs_of(params(input={}, steps=[], configuration="c.toml"))


def test_a_preset_does_what_fits_each_sample():
    jobs = jobs_of(params(steps=[], preset="fastp-strict", input={"samplesheet": "sheet.csv"}))

    actions = [
        [step.action for step in job.configured(Path("out")).steps if "Adapter" in step.action]
        for job in jobs
    ]
    assert actions == [["TrimAdaptersByOverlap"], ["TrimAdapterSequence"]]
    made = jobs[1].configured(Path("out"))
    assert (made.output.prefix, made.output.report_fastp, jobs[1].source) == (
        *("b", True),
        "fastp-strict",
    )


def test_the_configuration_stays_but_for_files_and_names(place):
    (place / "c.toml").write_text(
        "[input]\nread1 = 'elsewhere.fq'\n[input.options]\nread_comment_character = '|'\n"
        "[[step]]\naction = 'CutStart'\nsegment = 'read1'\nn = 2\n"
        "[output]\nPrefix = 'x'\nstdout = true\ncompression = 'Zstd'\nix_separator = '--'\n"
    )

    made = one(steps=[], configuration="c.toml").configured(place)

    assert made.output.prefix == "sample"
    assert (made.output.stdout, made.output.compression) == (False, "Zstd")
    assert made.output.ix_separator == "--"
    assert made.input.files == {"read1": (str(place / "a_1.fq"),)}
    assert made.input.options.comment == "|"


def test_files_of_the_configuration_serve_where_no_others_are_given(place):
    config = {"input": {"read1": "a_1.fq"}, "step": [CUT], "output": {"prefix": "deep/mouse"}}
    (place / "c.json").write_text(json.dumps(config))

    job = one(steps=[], configuration="c.json", input={})

    assert job.sample == "mouse"
    assert [ref.uri for ref in job.inputs["read1"]] == [str(place / "a_1.fq")]


def test_chosen_output_replaces_the_configured_one():
    job = one(output={"format": "Fasta", "compression": "Bgzf"})

    assert job.configured(Path()).output.file_suffix == "fasta.gz"


def test_results_depend_on_contents_not_on_places_or_threads(place):
    (place / "copy.fq").write_text(READS)
    first = one().identity()

    assert one(input={"read1": ["copy.fq"]}, workers=7).identity() == first
    (place / "a_1.fq").write_text(READS.replace("ACGT", "ACGA"))
    assert one().identity() != first


def test_files_that_steps_read_count_as_inputs(place):
    (place / "other.fq").write_text(READS)
    step = {
        "action": "TagOtherFile", "source": "name:read1", "filename": "other.fq",
        "out_label": "there", "seed": 1, "false_positive_rate": 0,
    }  # fmt: skip
    drop = {"action": "FilterByTag", "in_label": "there", "keep_or_remove": "Remove"}
    before = one(steps=[step, drop]).identity()

    (place / "other.fq").write_text(READS.replace("a", "b"))

    assert one(steps=[step, drop]).identity() != before


def test_wrong_steps_are_told_once_for_all_samples(place):
    with pytest.raises(InputProblems) as caught:
        jobs_of(params(input={"samplesheet": "sheet.csv"}, steps=[{"action": "Cut"}]))

    assert len(caught.value.problems) == 1
    assert "'Cut'" in str(caught.value)


def test_missing_files_are_all_told():
    with pytest.raises(InputError) as caught:
        jobs_of(params(input={"read1": ["gone.fq"], "read2": ["lost.fq"]}))

    assert [line.split(": ")[1][:12] for line in str(caught.value).splitlines()] == [
        "no such file"
    ] * 2
