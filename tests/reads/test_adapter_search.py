"""Adapters that are found in the first reads: which, by which rule, and as fastp finds them."""

import gzip
import json
import random
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks.errors import InputError
from deployments import cli
from tasks.reads.adapter_search import FoundAdapter, find_adapter
from tasks.reads.assembly import column
from tasks.reads.configuration import read_configuration
from tasks.reads.heads import sequences_of
from tasks.reads.kernels.known import count_adapters, count_words, find_word
from tasks.reads.known_adapters import KNOWN, STEMS
from tasks.reads.presets import PRESETS
from tasks.reads.processing import process
from tasks.reads.reading import Source

TRUSEQ = "AGATCGGAAGAGCACACGTCTGAACTCCAGTCA"
NEXTERA = "CTGTCTCTTATACACATCTCCGAGCCCACGAGAC"
SMALL_RNA = "TGGAATTCTCGGGTGCCAAGGAACTCCAGTCACATCACGATCTCGTATGCCGTCTTCTGCTTG"
READS = 10_500
LENGTH = 80


def library(
    adapter: str, share: float, *, genome: int = 50_000, reads: int = READS, seed: int = 1
) -> list[str]:
    """Reads of a genome, some shorter than `LENGTH`, with the adapter and G behind them."""
    draw = random.Random(seed)
    whole = "".join(draw.choices("ACGT", k=genome))
    made = []
    for _ in range(reads):
        insert = draw.randint(18, LENGTH - 1) if draw.random() < share else LENGTH
        begin = draw.randrange(genome - LENGTH + 1)
        made.append((whole[begin : begin + insert] + adapter + "G" * LENGTH)[:LENGTH])
    return made


def amplicon() -> list[str]:
    return library("", 0, genome=LENGTH)


def found(reads: list[str], rule: str) -> FoundAdapter:
    heads = (
        column([read.encode() for read in reads[begin : begin + 3000]])
        for begin in range(0, len(reads), 3000)
    )
    return find_adapter(heads, rule)


@pytest.mark.parametrize("rule", ["known", "fastp"])
@pytest.mark.parametrize(
    ("adapter", "share", "sequence", "name"),
    [
        pytest.param(TRUSEQ + "CATCACG", 0.2, TRUSEQ, "TruSeq, read 1", id="TruSeq"),
        pytest.param(NEXTERA, 0.2, NEXTERA, "Nextera, read 1", id="Nextera"),
        pytest.param(TRUSEQ, 0.02, TRUSEQ, "TruSeq, read 1", id="in few reads"),
    ],
)
def test_known_adapters_are_found(rule, adapter, share, sequence, name):
    one = found(library(adapter, share), rule)
    assert (one.sequence, one.name) == (sequence, name)
    assert one.hits > one.reads // 200


def test_small_rna_is_found_where_fastp_gives_up():
    reads = library(SMALL_RNA, 0.4)
    assert found(reads, "known").sequence == SMALL_RNA[:21]
    assert found(reads, "fastp").sequence == ""


def test_errors_in_reads_make_no_adapter_with_index_of_it():
    """fastp takes the longer one, which may have more mismatches, and then drops it as too long."""
    draw = random.Random(2)
    reads = [
        "".join(base if draw.random() > 0.02 else draw.choice("ACGT") for base in read)
        for read in library(TRUSEQ + "CATCACGATCTCGTATGCCGTCTTCTGCTTG", 0.3)
    ]
    assert found(reads, "known").sequence == TRUSEQ


def test_an_amplicon_is_no_adapter_whatever_fastp_says():
    reads = amplicon()
    assert found(reads, "known") == FoundAdapter(
        "", "none: no known adapter in enough reads", 0, READS
    )
    guess = found(reads, "fastp")
    assert guess.sequence == reads[0][:60]
    assert guess.name == "a guess, not a known adapter"


def test_few_reads_say_nothing():
    reads = library(TRUSEQ, 0.5, reads=9_999)
    assert found(reads, "known") == FoundAdapter("", "none: fewer than 10000 reads", 0, 9_999)


def test_no_more_is_read_than_is_needed():
    taken = 0

    def heads():
        nonlocal taken
        for texts in [column([read.encode() for read in library(TRUSEQ, 0.3)])] * 5:
            taken += 1
            yield texts

    assert find_adapter(heads(), "known").sequence == TRUSEQ
    assert taken == 1


READ = st.text("ACGTN", max_size=45)


@settings(deadline=None, max_examples=60)
@given(st.lists(READ, min_size=1, max_size=6), st.data())
def test_hits_are_those_of_the_definition(reads, data):
    """A read has an adapter where its first place has one mismatch in 16 bases at most."""
    known = [TRUSEQ, NEXTERA, "AAGTCGGAGGCCAAGCGGTC"]
    reads = [
        read[: data.draw(st.integers(0, 30))] + data.draw(st.sampled_from(["", *known])) + read
        for read in reads
    ]
    hits, mismatches = np.zeros(3, np.int64), np.zeros(3, np.int64)
    adapters = sorted(known)
    texts = column([read.encode() for read in reads])
    size = np.array([len(one) for one in adapters])
    letters = np.frombuffer(bytearray("".join(adapters).encode()), np.uint8)
    count_adapters(
        *(texts.buffer, texts.start, texts.length, letters, np.cumsum(size) - size, size, 1000),
        *(hits, mismatches),
    )
    wanted = Counter()
    for read in reads:
        for number, adapter in enumerate(adapters):
            if len(adapter) >= len(read):
                continue
            for place in range(len(read) - 8):
                pairs = list(zip(read[place:], adapter, strict=False))
                wrong = sum(one != other for one, other in pairs)
                if wrong <= len(pairs) // 16:
                    wanted[number] += 1
                    wanted[number, "wrong"] += wrong
                    break
    assert hits.tolist() == [wanted[n] for n in range(3)]
    assert mismatches.tolist() == [wanted[n, "wrong"] for n in range(3)]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text("ACGTNa", max_size=20), min_size=1, max_size=5), st.integers(0, 15))
def test_words_are_counted_and_found_between_the_ends(reads, wanted):
    texts = column([read.encode() for read in reads])
    places = [
        (n, p)
        for n, read in enumerate(reads)
        for p in range(3, len(read) - 1 - 2 + 1)
        if read[p : p + 2] == "ATCG"[wanted >> 2] + "ATCG"[wanted & 3]
    ]
    counts = np.zeros(16, np.int64)
    arguments = (texts.buffer, texts.start, texts.length, 2, 3, 1)
    count_words(*arguments, counts)
    assert counts[wanted] == len(places)
    read, place = np.zeros(len(places), np.int64), np.zeros(len(places), np.int64)
    assert find_word(*arguments, wanted, read, place) == len(places)
    assert list(zip(read.tolist(), place.tolist(), strict=True)) == places


def test_the_table_of_adapters_holds_what_kernels_can_search():
    assert list(KNOWN) == sorted(KNOWN)
    assert all(set(one) <= set("ACGT") and len(one) >= 16 for one in {**KNOWN, **STEMS})


def test_one_adapter_stands_for_each_kind_of_library():
    assert TRUSEQ in STEMS
    assert not [one for one in STEMS if one.startswith(TRUSEQ[1:]) or one[:-1] in STEMS]
    assert not [name for name in STEMS.values() if name.endswith("read 1, with index")]


@pytest.mark.parametrize("address", ["-", "--stdin--"])
def test_standard_input_cannot_be_looked_at_before(address):
    with pytest.raises(InputError, match=r"adapter: auto .* can be read but once; expected"):
        next(sequences_of(Source(("read1",), ((address,),)), "read1"))


def written(folder: Path, reads: list[str]) -> Path:
    draw = random.Random(5)
    path = folder / "in.fq"
    quality = ["".join(draw.choices("F:,#", [90, 7, 2, 1], k=LENGTH)) for _ in range(50)]
    path.write_text(
        "".join(f"@A00:{n}\n{one}\n+\n{quality[n % 50]}\n" for n, one in enumerate(reads))
    )
    return path


def configured(folder: Path, preset: str) -> Path:
    path = folder / "c.toml"
    path.write_text(PRESETS[preset].replace("sample.fastq.gz", "in.fq"))
    return path


def test_reports_tell_what_was_found(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    written(tmp_path, library(TRUSEQ, 0.3))

    assert cli.main(["reads", "process", str(configured(tmp_path, "fastp-single"))]) == 0

    (told,) = json.loads((tmp_path / "sample.json").read_text())["detected_adapters"]
    assert (told["segment"], told["adapter"], told["name"]) == ("read1", TRUSEQ, "TruSeq, read 1")
    fastp = json.loads((tmp_path / "sample.fastp.json").read_text())
    assert fastp["adapter_cutting"]["read1_adapter_sequence"] == TRUSEQ
    assert f"adapter of read1: {TRUSEQ} (TruSeq, read 1; in" in capsys.readouterr().err


def test_reads_of_an_amplicon_are_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written(tmp_path, amplicon())

    done = process(read_configuration(configured(tmp_path, "fastp-single")))

    assert done.molecules_out == done.molecules_in == READS


@pytest.mark.tool
@pytest.mark.skipif(shutil.which("fastp") is None, reason="fastp is not installed")
@pytest.mark.parametrize(
    "reads",
    [
        pytest.param(lambda: library(TRUSEQ, 0.2), id="TruSeq"),
        pytest.param(lambda: library(NEXTERA, 0.2), id="Nextera"),
        pytest.param(lambda: library(SMALL_RNA, 0.4), id="small RNA"),
        pytest.param(lambda: library(TRUSEQ, 0.4, reads=5_000), id="few reads"),
        pytest.param(lambda: library("", 0, genome=5_000), id="small genome"),
        pytest.param(amplicon, id="amplicon"),
    ],
)
def test_strict_single_reads_are_those_of_fastp(tmp_path, monkeypatch, reads):
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path, reads())
    argv = ["fastp", "-i", str(path), "-o", "f.fq", "-j", "f.json", "-h", "f.html"]
    subprocess.run(argv, check=True, capture_output=True)

    process(read_configuration(configured(tmp_path, "fastp-strict-single")))

    ours = gzip.decompress((tmp_path / "sample_read1.fastq.gz").read_bytes())
    assert ours == (tmp_path / "f.fq").read_bytes()
    theirs = json.loads((tmp_path / "f.json").read_text())
    report = json.loads((tmp_path / "sample.fastp.json").read_text())
    assert report["filtering_result"] == theirs["filtering_result"]
    for key in ("adapter_trimmed_reads", "read1_adapter_sequence"):
        cut, expected = (each.get("adapter_cutting", {}) for each in (report, theirs))
        assert cut.get(key) == expected.get(key, 0 if key == "adapter_trimmed_reads" else None)
