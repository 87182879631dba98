"""Parameters of an annotation; the form in the Prefect UI is made from these."""

import re
from typing import Literal, Self

from pydantic import Field, model_validator

from tasks.domains.partition_settings import PartitionSettings
from tasks.domains.search_settings import SearchSettings
from tasks.parameters import Params
from tasks.sequence_files import Format

Mode = Literal["FULL", "BLAST_ONLY", "ANALYSIS_ONLY"]
Which = Literal["all", "new", "failed"]
BATCH_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
BATCH_EXPECTED = "letters, digits, '.', '_' and '-', a letter or digit first, 80 at most"


class ProteinInput(Params):
    """Where the proteins come from: a file, a folder of FASTA files, or a sheet of files."""

    sequences: str = Field(
        "",
        title="File or folder",
        description="FASTA, CSV, TSV, Parquet (gzip too), or a folder of such files; s3://… too",
    )
    samplesheet: str = Field(
        "",
        title="Samplesheet",
        description="instead: CSV or TSV with columns sample, fasta; ids become sample:id",
    )
    format: Format = Field("auto", title="Format", description="auto: told by each file's name")
    id_column: str = Field("id", title="Id column", description="of a table", min_length=1)
    sequence_column: str = Field(
        "sequence", title="Sequence column", description="of a table", min_length=1
    )
    settle_s: float = Field(
        30,
        title="Settled for",
        description="files of a folder that changed within this time wait for the next run [s]",
        ge=0,
        le=86_400,
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if bool(self.sequences) == bool(self.samplesheet):
            told = "both sequences and" if self.sequences else "neither sequences nor"
            raise ValueError(f"{told} samplesheet given; expected one of them")
        return self

    @property
    def place(self) -> str:
        """The file, folder or sheet."""
        return self.sequences or self.samplesheet


class DomainsParams(Params):
    """An annotation of proteins: what, against which reference, and how."""

    input: ProteinInput = Field(title="Proteins")
    reference: str = Field(
        title="Reference",
        description="name or folder of one that reference/build has made",
        min_length=1,
    )
    mode: Mode = Field(
        "FULL",
        title="Mode",
        description="FULL: BLAST, then HHsearch where BLAST does not suffice; BLAST_ONLY: works "
        "without HH-suite; ANALYSIS_ONLY: no search, only evidence that is stored",
    )
    batch: str = Field(
        "",
        title="Batch",
        description="name under which the state is kept and asked for; empty: the input's name",
    )
    proteins: Which = Field(
        "all",
        title="Which proteins",
        description="all of the input (what is stored is not searched again); new: those that the "
        "batch has not finished (three times at most); failed: those that failed last time",
    )
    hhsearch_below_coverage: float = Field(
        0.9,
        title="HHsearch below",
        description="share of a protein (0-1) that BLAST must cover for HHsearch to be skipped",
        ge=0,
        le=1,
    )
    continue_on_error: bool = Field(
        True,
        title="Continue on error",
        description="a protein that fails costs its own row; off: the run ends at the first one",
    )
    stage_limit_s: float = Field(
        14_400,
        title="Limit of a stage",
        description="longest time for one chunk in one stage; then its program is killed [s]",
        ge=1,
    )
    total_limit_s: float = Field(
        604_800,
        title="Limit of the run",
        description="longest time for all searches; then programs are killed and what is done is "
        "delivered [s]",
        ge=1,
    )
    dry_run: bool = Field(False, title="Dry run", description="only say what is to be done")
    refresh: bool = Field(
        False, title="Refresh", description="search and partition anew, whatever is stored"
    )
    search: SearchSettings = Field(SearchSettings(), title="Searches")
    partition: PartitionSettings = Field(PartitionSettings(), title="Partition")

    @model_validator(mode="after")
    def _good_batch(self) -> Self:
        if self.batch and not BATCH_NAME.fullmatch(self.batch):
            raise ValueError(f"batch: {self.batch!r}; expected {BATCH_EXPECTED}")
        if self.refresh and self.mode == "ANALYSIS_ONLY":
            raise ValueError("refresh: true; expected false with mode ANALYSIS_ONLY")
        return self

    @property
    def batch_name(self) -> str:
        """The batch's name, given or made from the input's."""
        last = self.input.place.rstrip("/").rsplit("/", 1)[-1].removesuffix(".gz")
        stem = last.rsplit(".", 1)[0] if "." in last[1:] else last
        made = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("._-")[:80]
        return self.batch or made or "proteins"
