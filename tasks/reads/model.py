"""Parameters of runs over reads; the forms in the Prefect UI are made from these."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from tasks.parameters import Params
from tasks.reads.presets import Preset
from tasks.reads.samplesheet import Sample, name_fault

SEGMENT_NAMES = ("read1", "read2", "index1", "index2")


class ReadsInput(Params):
    """Where the reads come from: a samplesheet, the files of one sample, or the configuration."""

    samplesheet: str = Field(
        "",
        title="Samplesheet",
        description="CSV or TSV: sample, fastq_1, fastq_2; rows of the same sample are lanes",
    )
    sample: str = Field("", title="Sample", description="instead of a sheet: name of one sample")
    read1: tuple[str, ...] = Field((), title="Read 1", description="its files, one for each lane")
    read2: tuple[str, ...] = Field((), title="Read 2", description="the mates' files, in order")
    index1: tuple[str, ...] = Field((), title="Index 1", description="files of the first index")
    index2: tuple[str, ...] = Field((), title="Index 2", description="files of the second index")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        files = {name: getattr(self, name) for name in SEGMENT_NAMES if getattr(self, name)}
        if self.samplesheet and (self.sample or files):
            raise ValueError("both a samplesheet and files of a sample; expected one of them")
        if files and not self.read1:
            raise ValueError("read1: no files; expected at least one")
        if len({len(names) for names in files.values()}) > 1:
            told = ", ".join(f"{name}: {len(names)}" for name, names in files.items())
            raise ValueError(f"numbers of files differ ({told}); expected one of each per lane")
        if self.sample and (fault := name_fault(self.sample)):
            raise ValueError(f"sample: {fault[0]}; expected {fault[1]}")
        return self

    @property
    def one_sample(self) -> Sample | None:
        """The sample whose files stand here."""
        files = {name: getattr(self, name) for name in SEGMENT_NAMES if getattr(self, name)}
        return Sample(self.sample or "sample", files) if files else None


class ReadsOutput(Params):
    """What is written, where it differs from the configuration."""

    format: Literal["configured", "Fastq", "Fasta", "Bam", "None"] = Field(
        "configured", title="Format", description="of the reads; None writes reports only"
    )
    compression: Literal["configured", "Uncompressed", "Gzip", "Bgzf", "Zstd"] = Field(
        "configured", title="Compression", description="without a configured one: Gzip"
    )


class ReadsParams(Params):
    """A run over reads: samples, steps, and how to run them."""

    input: ReadsInput = Field(ReadsInput(), title="Input")
    preset: Preset | None = Field(
        None,
        title="Preset",
        description="what fastp does: with adapters confirmed, or the same reads byte for byte; "
        "else a configuration or steps",
    )
    configuration: str = Field(
        "",
        title="Configuration",
        description="path or URI of TOML, YAML or JSON with the steps; `seqloom reads template`",
    )
    steps: tuple[dict[str, Any], ...] = Field(
        (),
        title="Steps",
        description='instead of a configuration, as in {"action": "CutStart", "n": 3}',
    )
    output: ReadsOutput = Field(ReadsOutput(), title="Output")
    workers: int | None = Field(
        None,
        title="Workers",
        description="threads of each sample; empty: the cores, shared",
        ge=1,
        le=1024,
    )
    shard_mb: float | None = Field(
        None,
        title="MB of a shard",
        description="split samples by their lanes into tasks of about so many MB, such as 400, "
        "which take 20 s and more; empty: one task for each sample",
        gt=0,
    )
    dry_run: bool = Field(False, title="Dry run", description="only say what is to be done")
    refresh: bool = Field(
        False, title="Refresh", description="process all samples anew, whatever is done"
    )

    @model_validator(mode="after")
    def _steps_once(self) -> Self:
        given = [name for name in ("preset", "configuration", "steps") if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"both {given[0]} and {given[1]} are given; expected one of them")
        if not given:
            raise ValueError("no preset, no configuration and no steps; expected one of them")
        if not self.configuration and not (self.input.samplesheet or self.input.read1):
            raise ValueError("input: no samplesheet and no files; expected one of them")
        return self


class VerifyParams(Params):
    """A check of an earlier run: everything is processed again and compared."""

    run: str = Field(
        "latest", title="Run", description="name or path of a folder of results", min_length=1
    )
    workers: int | None = Field(
        None,
        title="Workers",
        description="threads of each sample; empty: the cores, shared",
        ge=1,
        le=1024,
    )
