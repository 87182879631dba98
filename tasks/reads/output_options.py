"""What is written: the sections `[output]`, `[options]` and `[benchmark]`."""

import errno
from collections.abc import Sequence
from typing import Literal

from pydantic import Field, model_validator

from tasks.parameters import Params
from tasks.reads.name_parts import Ending, Place
from tasks.reads.open_files import FailureOnDemand
from tasks.reads.sections import Section, nearest

LEVELS = {"Gzip": (0, 9), "Zstd": (1, 22)}
MOST_THREADS = 1024
LARGEST_BLOCK = 1 << 24
"""Molecules; tables are made for so many, whatever a file holds."""


class OutputOptions(Params):
    """Files of reads and reports."""

    prefix: Place = Field(min_length=1, description="begin of the names of all output files")
    format: Literal["Fastq", "Fasta", "Bam", "None"] = Field(
        "Fastq", description="of the reads; None writes reports only"
    )
    compression: Literal["Uncompressed", "Gzip", "Bgzf", "Zstd"] = Field(
        "Uncompressed", description="of the files of reads"
    )
    compression_level: int | None = Field(
        None, description="0 to 9 for gzip, 1 to 22 for zstd; empty: a fast one"
    )
    compression_threads: int | None = Field(None, ge=1, description="accepted, without effect")
    suffix: Ending | None = Field(None, description="of the files of reads, without the dot")
    ix_separator: Ending = Field("_", description="between the parts of file names")
    output: tuple[str, ...] | None = Field(None, description="segments to write; empty: all")
    interleave: tuple[str, ...] | None = Field(None, description="segments for one common file")
    stdout: bool = Field(False, description="write the reads to standard output, interleaved")
    chunksize: int | None = Field(None, description="most molecules in each file")
    output_hash_uncompressed: bool = Field(False, description="write SHA-256 of the texts")
    output_hash_compressed: bool = Field(False, description="write SHA-256 of the files")
    report_json: bool = Field(False, description="write the reports as JSON")
    report_html: bool = Field(False, description="write the reports as a page")
    report_fastp: bool = Field(False, description="write fastp's JSON, which MultiQC reads")
    report_timing: bool = Field(False, description="write how long each step took")

    @model_validator(mode="after")
    def _counts(self) -> "OutputOptions":
        if self.chunksize is not None and self.chunksize < 1:
            raise ValueError(f"chunksize is {self.chunksize}; expected more than 0")
        return self

    @property
    def file_suffix(self) -> str:
        """What follows the last dot that we set: `fq.gz`."""
        if self.suffix is not None:
            return self.suffix.removeprefix(".")
        kind = {"Fastq": "fq", "Fasta": "fasta", "Bam": "bam", "None": ""}[self.format]
        packed = {"Gzip": ".gz", "Bgzf": ".gz", "Zstd": ".zst"}.get(self.compression, "")
        return kind if self.format == "Bam" else kind + packed

    def names_segments(self) -> bool:
        """Whether reads are asked for; with format None a run still checks its input."""
        return self.stdout or bool(self.interleave) or self.output is None or bool(self.output)

    def single(self, segments: Sequence[str]) -> tuple[str, ...]:
        """Segments that get a file of their own."""
        if self.format == "None" or self.stdout:
            return ()
        if self.output is None:
            return () if self.interleave else tuple(segments)
        return self.output

    def together(self, segments: Sequence[str]) -> tuple[str, ...]:
        """Segments that go to one file, in turn."""
        if self.format == "None":
            return ()
        return self.interleave or (tuple(segments) if self.stdout else ())


class FailureOptions(Params):
    """Failures on demand, to try what a run does then."""

    fail_output_after_bytes: int | None = Field(
        None, ge=0, description="bytes of a file until writing fails"
    )
    fail_output_error: Literal["DiskFull", "RawOs"] = Field("DiskFull", description="which failure")
    fail_output_raw_os_code: int | None = Field(None, description="number of the system's error")

    def on_demand(self) -> FailureOnDemand | None:
        """For the engine."""
        if self.fail_output_after_bytes is None:
            return None
        raw = self.fail_output_error == "RawOs" and self.fail_output_raw_os_code
        return FailureOnDemand(self.fail_output_after_bytes, raw or errno.ENOSPC)


class RunOptions(Params):
    """How a run goes about its work."""

    threads: int | None = Field(
        None, ge=1, le=MOST_THREADS, description="workers; empty: one for each core"
    )
    max_blocks_in_flight: int | None = Field(None, ge=1, description="most blocks in memory")
    block_size: int = Field(6000, ge=1, le=LARGEST_BLOCK, description="molecules in a block")
    buffer_size: int = Field(102_400, ge=1, description="accepted, and without effect")
    output_buffer_size: int = Field(1_048_576, ge=1, description="accepted, and without effect")
    accept_duplicate_files: bool = Field(False, description="the same input file several times")
    spot_check_read_pairing: bool = Field(True, description="compare names of mates")
    debug_failures: FailureOptions = Field(default=FailureOptions())


class Benchmark(Params):
    """Runs without output."""

    enable: bool = Field(False, description="measure, and write nothing")
    molecule_count: int = Field(ge=1, description="molecules to process; the input is repeated")


def check_output(section: Section, options: OutputOptions, segments: Sequence[str] | None) -> None:
    """Note what does not fit together in `[output]`."""
    _check_compression(section, options)
    _check_places(section, options)
    if segments is not None:
        for name in ("output", "interleave"):
            _check_segments(section, name, getattr(options, name) or (), segments)
        _check_overlap(section, options)


def check_level(section: Section, compression: str, level: int | None) -> None:
    """Note a compression level that the compression does not have."""
    if level is None:
        return
    name = "compression_level"
    if compression.lower() in ("uncompressed", "raw"):
        section.add(name, "invalid when compression is 'uncompressed'",
                    "no compression_level, or compression 'Gzip' or 'Zstd'")  # fmt: skip
        return
    first, last = LEVELS["Zstd" if compression.lower() == "zstd" else "Gzip"]
    if not first <= level <= last:
        section.add(name, f"invalid value {level}", f"{first} to {last} for {compression.lower()}")


def _check_compression(section: Section, options: OutputOptions) -> None:
    if options.format != "Bam":
        check_level(section, options.compression, options.compression_level)
        return
    if options.output_hash_uncompressed:
        section.add("output_hash_uncompressed", "not supported when format = 'bam'",
                    "output_hash_compressed, or another format")  # fmt: skip
    if options.stdout:
        section.add("stdout", "not supported when format = 'bam'", "files, or another format")
    if options.compression != "Uncompressed":
        section.add("compression", "not supported when format = 'bam', which has its own",
                    "no compression, or another format")  # fmt: skip


def _check_places(section: Section, options: OutputOptions) -> None:
    if options.stdout and options.output is not None:
        section.add("stdout", "stdout and output together", "one of them")
    if options.stdout and options.chunksize is not None:
        section.add("chunksize", "invalid when stdout = true", "files instead, or no chunksize")


def _check_segments(
    section: Section, name: str, chosen: Sequence[str], segments: Sequence[str]
) -> None:
    for number, one in enumerate(chosen):
        if one not in segments:
            left = [known for known in segments if known not in chosen]
            section.add(name, f"{one!r} not found in input segments", nearest(one, left),
                        at=(name, number))  # fmt: skip
        elif one in chosen[:number]:
            section.add(name, f"segment {one!r} is duplicated", "each segment once",
                        at=(name, number))  # fmt: skip


def _check_overlap(section: Section, options: OutputOptions) -> None:
    interleave = options.interleave
    if interleave is None:
        return
    if len(interleave) == 1 and not options.stdout:
        section.add("interleave", "a single segment", "at least two segments to interleave")
    for one in dict.fromkeys(interleave):
        if one in (options.output or ()):
            section.add("interleave", f"segment {one!r} is duplicated: in output and in interleave",
                        "it in one of them")  # fmt: skip
