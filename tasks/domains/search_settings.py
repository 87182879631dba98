"""How proteins are searched against a reference."""

from typing import Literal, Self

from pydantic import Field, model_validator

from tasks.parameters import Params

Engine = Literal["auto", "blastp", "phmmer"]
ProfileMethod = Literal["jackhmmer", "hhblits", "single"]
MAX_HH_HITS = 4_000
"""Biopython reads no longer tables of hits (`MAX_READ_UNTIL`)."""


class BlastSettings(Params):
    """Searches with BLAST, against chains and against domains."""

    engine: Engine = Field(
        "auto",
        title="Program",
        description="auto: blastp, and phmmer (built in, slower) where BLAST+ is not installed",
    )
    evalue: float = Field(
        10,
        title="E-value",
        description="greatest one that is reported; confidences are fitted to weak hits, too",
        gt=0,
        le=1_000,
    )
    max_targets: int = Field(
        5_000, title="Targets", description="most entries reported for a protein", ge=5, le=100_000
    )
    chunk_size: int = Field(500, title="Chunk", description="proteins in one call", ge=1, le=10_000)
    time_limit_s: float = Field(
        3_600, title="Time limit", description="of one call; then it is killed [s]", gt=0
    )


class ProfileSettings(Params):
    """How the alignment of a protein for HHsearch is made."""

    method: ProfileMethod = Field(
        "jackhmmer",
        title="Method",
        description="jackhmmer: built in, over the sequences below; hhblits: over an HH-suite "
        "database such as UniRef30; single: the protein alone",
    )
    sequences: str = Field(
        "",
        title="Sequences",
        description="for jackhmmer: FASTA; empty: the reference's domains and chains",
    )
    database: str = Field(
        "", title="Database", description="for hhblits: path without _a3m.ffdata and the like"
    )
    rounds: int = Field(3, title="Rounds", description="of the iterative search", ge=1, le=8)
    evalue: float = Field(
        1e-3, title="E-value", description="greatest one that joins the alignment", gt=0, le=10
    )
    time_limit_s: float = Field(
        1_800, title="Time limit", description="of one protein; then it is killed [s]", gt=0
    )

    @model_validator(mode="after")
    def _database_for_hhblits(self) -> Self:
        if self.method == "hhblits" and not self.database:
            raise ValueError("database is empty; expected the path of one, which hhblits searches")
        return self


class HhsearchSettings(Params):
    """Searches with HHsearch, profile against profile."""

    min_probability: float = Field(
        0.2, title="Probability", description="least one (0-1) that is reported", ge=0, le=1
    )
    max_hits: int = Field(
        500, title="Hits", description="most reported for a protein", ge=10, le=MAX_HH_HITS
    )
    chunk_size: int = Field(10, title="Chunk", description="proteins in one task", ge=1, le=1_000)
    memory_gb: float = Field(
        3.0, title="Memory", description="limit of a realignment [GB]", ge=1, le=1_000
    )
    time_limit_s: float = Field(
        1_800, title="Time limit", description="of one protein; then it is killed [s]", gt=0
    )


class SearchSettings(Params):
    """How proteins are searched against a reference."""

    blast: BlastSettings = Field(BlastSettings(), title="BLAST")
    profiles: ProfileSettings = Field(ProfileSettings(), title="Profiles")
    hhsearch: HhsearchSettings = Field(HhsearchSettings(), title="HHsearch")
    threads: int = Field(
        2,
        title="Threads",
        description="of a program; two BLAST searches that run side by side share them",
        ge=1,
        le=256,
    )
