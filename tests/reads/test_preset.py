"""The presets run, and the strict one gives fastp's reads."""

import gzip
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tasks.reads.configuration import read_configuration
from tasks.reads.presets import PRESETS
from tasks.reads.processing import process
from tasks.reads.template import template
from tests.benchmarks.reads import generate, inputs_of

PAIRS = 3000


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def configured(folder: Path, preset: str) -> Path:
    path = folder / "cfg.toml"
    text = template(preset)
    for mate, file in enumerate(inputs_of(folder), 1):
        text = text.replace(f"sample_R{mate}.fastq.gz", file.name)
    path.write_text(text)
    return path


@pytest.mark.parametrize("preset", ["fastp", "fastp-strict"])
def test_every_pair_is_accounted_for(tmp_path: Path, preset: str) -> None:
    generate(tmp_path, PAIRS)
    done = process(read_configuration(configured(tmp_path, preset)))
    assert done.molecules_in == PAIRS
    assert done.molecules_out + sum(done.dropped.values()) == PAIRS
    report = json.loads((tmp_path / "sample.fastp.json").read_text())
    reads = report["filtering_result"]
    assert sum(reads.values()) == report["summary"]["before_filtering"]["total_reads"] == 2 * PAIRS
    assert reads["passed_filter_reads"] == report["summary"]["after_filtering"]["total_reads"]
    # about as many as were put in: inserts shorter than reads, in some 12 % of the pairs
    assert 0.05 < report["adapter_cutting"]["adapter_trimmed_reads"] / (2 * PAIRS) < 0.3
    assert report["command"] == "fastp -i in_R1.fastq -I in_R2.fastq"


@pytest.mark.parametrize("preset", ["fastp-single", "fastp-strict-single"])
def test_every_single_read_is_accounted_for(tmp_path: Path, preset: str) -> None:
    generate(tmp_path, PAIRS)
    path = tmp_path / "cfg.toml"
    path.write_text(template(preset).replace("sample.fastq.gz", inputs_of(tmp_path)[0].name))

    done = process(read_configuration(path))

    assert done.molecules_in == done.molecules_out + sum(done.dropped.values()) == PAIRS
    report = json.loads((tmp_path / "sample.fastp.json").read_text())
    assert sum(report["filtering_result"].values()) == PAIRS
    assert report["command"] == "fastp -i in_R1.fastq"


def test_presets_come_for_pairs_and_for_single_reads() -> None:
    assert set(PRESETS) == {"fastp", "fastp-strict", "fastp-single", "fastp-strict-single"}


@pytest.mark.tool
@pytest.mark.skipif(shutil.which("fastp") is None, reason="fastp is not installed")
def test_strict_reads_and_counts_are_those_of_fastp(tmp_path: Path) -> None:
    generate(tmp_path, PAIRS)
    one, two = inputs_of(tmp_path)
    argv = ["fastp", "-i", str(one), "-I", str(two), "-o", "f1.fastq", "-O", "f2.fastq"]
    subprocess.run(
        [*argv, "-j", "f.json", "-h", "f.html"], cwd=tmp_path, check=True, capture_output=True
    )
    process(read_configuration(configured(tmp_path, "fastp-strict")))
    for mate in (1, 2):
        ours = gzip.decompress((tmp_path / f"sample_read{mate}.fastq.gz").read_bytes())
        assert ours == (tmp_path / f"f{mate}.fastq").read_bytes()
    theirs = json.loads((tmp_path / "f.json").read_text())
    report = json.loads((tmp_path / "sample.fastp.json").read_text())
    assert report["filtering_result"] == theirs["filtering_result"]
    for when in ("before_filtering", "after_filtering"):
        assert report["summary"][when] == pytest.approx(theirs["summary"][when], abs=1e-5)
    for key in ("adapter_trimmed_reads", "adapter_trimmed_bases"):
        assert report["adapter_cutting"][key] == theirs["adapter_cutting"][key]
    for key in ("read1_after_filtering", "read2_before_filtering"):
        mean = report[key]["quality_curves"]["mean"]
        assert mean == pytest.approx(theirs[key]["quality_curves"]["mean"], abs=1e-3)
        content = theirs[key]["content_curves"]
        for base in content:
            assert report[key]["content_curves"][base] == pytest.approx(content[base], abs=1e-3)
