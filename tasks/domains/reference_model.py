"""Parameters of building a reference, and the record of a built one."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from tasks.domains.reference_tables import ECOD_LEVELS, SCOP_LEVELS
from tasks.parameters import Params, Record, choices

FORMAT = 1
"""Of a reference's folder; a reader refuses others."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}")
FASTA_NAMES = "FASTA; the name is what stands before the first blank"


class TableColumns(Params):
    """Names of the columns of a table of domains."""

    domain: str = Field("domain_id", title="Domain", description="id of the domain")
    chain: str = Field("source_chain", title="Chain", description="id of the chain it comes from")
    range: str = Field(
        "range",
        title="Range",
        description="positions in the chain's sequence, as in 10-150,200-220; empty: none told",
    )
    classification: str = Field(
        "classification", title="Class", description="levels with dots between, as in c.23.1.1"
    )


class TableSource(Params):
    """Domains of a FASTA file and a table (CSV, TSV or Parquet)."""

    kind: Literal["table"] = "table"
    domains: str = Field(title="Domains", description=f"path or URI of {FASTA_NAMES}")
    table: str = Field(
        title="Table",
        description="path or URI of CSV, TSV or Parquet: id, chain, range, class of each domain",
    )
    columns: TableColumns = Field(
        TableColumns(), title="Columns of the table", description="their names"
    )
    chains: str = Field(
        "",
        title="Chains",
        description=f"path or URI of {FASTA_NAMES}; empty: no search against whole chains",
    )
    chain_table: str = Field(
        "",
        title="Table of chains",
        description="path or URI of the chains' domains with ranges; empty: the table tells them",
    )
    chain_columns: TableColumns = Field(
        TableColumns(chain="chain_id"),
        title="Columns of the table of chains",
        description="their names",
    )
    levels: tuple[str, ...] = Field(
        SCOP_LEVELS, title="Levels", description="names of the levels, the widest first"
    )

    @field_validator("levels")
    @classmethod
    def _some_levels(cls, levels: tuple[str, ...]) -> tuple[str, ...]:
        if not levels or len(set(levels)) < len(levels) or not all(levels):
            raise ValueError(f"{', '.join(levels) or 'none'}; expected names, each once")
        return levels


class EcodSource(Params):
    """A release of ECOD as it is published."""

    kind: Literal["ecod"] = "ecod"
    domains: str = Field(
        title="FASTA", description="path or URI of ecod.latest.F70.fasta.txt or another selection"
    )
    table: str = Field(title="Domains", description="path or URI of ecod.latest.domains.txt")
    chains: str = Field(
        "",
        title="Chains",
        description="FASTA of PDB chains, named 1abc_A; empty: no search against whole chains",
    )

    @property
    def levels(self) -> tuple[str, ...]:
        """Names of the levels."""
        return ECOD_LEVELS


# Of members that share equally many fields with a value the form shows the first one, so those with
# fewer fields come first.
Source = Annotated[EcodSource | TableSource, Field(discriminator="kind", json_schema_extra=choices)]


class MmseqsProfiles(Params):
    """Alignments by an iterative search of all domains at once (MMseqs2)."""

    kind: Literal["mmseqs"] = "mmseqs"
    sequences: str = Field(
        "",
        title="Sequences",
        description="FASTA that is searched; empty: the reference's domains and chains",
    )
    rounds: int = Field(3, title="Rounds", description="of the search", ge=1, le=6)
    sensitivity: float = Field(6.0, title="Sensitivity", description="of MMseqs2", ge=1, le=7.5)
    evalue: float = Field(1e-3, title="E-value", description="greatest one taken", gt=0, le=10)
    memory_gb: float = Field(4.0, title="Memory", description="of MMseqs2 [GB]", ge=0.5, le=4_000)


class JackhmmerProfiles(Params):
    """Alignments by an iterative search of each domain (built in; slower)."""

    kind: Literal["jackhmmer"] = "jackhmmer"
    sequences: str = Field(
        "",
        title="Sequences",
        description="FASTA that is searched; empty: the reference's domains and chains",
    )
    rounds: int = Field(3, title="Rounds", description="of the search", ge=1, le=8)
    evalue: float = Field(1e-3, title="E-value", description="greatest one taken", gt=0, le=10)


class GivenProfiles(Params):
    """Alignments that are there: one file for each domain."""

    kind: Literal["given"] = "given"
    folder: str = Field(
        "",  # the form knows this kind by it
        title="Folder",
        description="of files named after the domains, id.a3m",
        min_length=1,
        validate_default=True,
    )


class NoProfiles(Params):
    """Neither profiles nor an HH-suite database: only BLAST will search."""

    kind: Literal["none"] = "none"


Profiles = Annotated[
    NoProfiles | GivenProfiles | JackhmmerProfiles | MmseqsProfiles,
    Field(discriminator="kind", json_schema_extra=choices),
]


class HhsuiteParams(Params):
    """What the HH-suite database holds."""

    hmms: bool = Field(
        True,
        title="With hhm",
        description="profiles for other programs, 0.1 s CPU for each domain; our searches read the "
        "alignments",
    )
    states: Literal["placeholder", "cstranslate"] = Field(
        "placeholder",
        title="States",
        description="placeholder: enough for hhsearch; cstranslate: real ones, for hhblits, "
        "0.3 s CPU for each domain",
    )


class ReferenceParams(Params):
    """A reference of domains to search proteins with."""

    name: str = Field(title="Name", description="of the reference; a newer build replaces it")
    source: Source = Field(title="Source")
    blast: bool = Field(True, title="BLAST", description="make BLAST databases")
    profiles: Profiles = Field(MmseqsProfiles(), title="Profiles")
    hhsuite: HhsuiteParams = Field(HhsuiteParams(), title="HH-suite")
    threads: int = Field(2, title="Threads", description="of each program", ge=1, le=256)
    time_limit_s: float = Field(
        86_400,
        title="Time limit",
        description="of one call of a program, which is then killed [s]",
        gt=0,
    )
    folder: str = Field(
        "", title="Folder", description="that references are put in; empty: beside the results"
    )
    refresh: bool = Field(False, title="Refresh", description="make all parts anew")
    dry_run: bool = Field(False, title="Dry run", description="only say what is to be done")

    @model_validator(mode="after")
    def _name_of_a_folder(self) -> Self:
        if not NAME.fullmatch(self.name):
            expected = "up to 60 letters, digits and _ . -, the first a letter or digit"
            raise ValueError(f"name: {self.name!r}; expected {expected}")
        return self


class ReferenceFile(Record):
    """A file of a reference."""

    bytes: int
    digest: str
    """SHA-256, hexadecimal."""


class ReferenceManifest(Record):
    """What a built reference is; `REFERENCE.json` in its folder."""

    format: int = FORMAT
    name: str
    fingerprint: str
    """Of all that decides what a search finds; not of dates that programs write into files."""
    levels: tuple[str, ...]
    """Of the hierarchy, the widest first."""
    domains: int
    chains: int
    residues: int
    """Of all domains [aa]."""
    blast_domains: bool
    """Whether there is such a BLAST database."""
    blast_chains: bool
    hhsuite: bool
    """Whether there is an HH-suite database."""
    states: Literal["none", "placeholder", "cstranslate"] = "none"
    """Of the HH-suite database; hhblits needs those of cstranslate."""
    mean_depth: float = 0.0
    """Mean number of sequences in an alignment."""
    source: str
    """What it was made from."""
    inputs: dict[str, str] = Field(default_factory=dict)
    """Digests of the input files."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Of the programs that made it."""
    notes: tuple[str, ...] = ()
    """What the user should know: domains without a range, chains left out."""
    created: str = ""
    """UTC, ISO 8601."""
    files: dict[str, ReferenceFile] = Field(default_factory=dict)
