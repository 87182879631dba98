"""What the stages of an annotation hand to each other: references and small records.

Proteins are named by the digests of their sequences wherever a search is concerned: two ids with
one sequence are searched once.
"""

from pydantic import Field

from blocks.errors import Problem
from blocks.storage import FileRef, Table
from tasks.domains.search_settings import SearchSettings
from tasks.items import StageResult
from tasks.parameters import Record

SEARCHES = ("chain_blast", "domain_blast", "hhsearch")
STAGES = (
    "initialise", "chain_blast", "domain_blast", "profile", "hhsearch", "registration", "summary",
    "partition", "classification",
)  # fmt: skip
"""In the order in which a protein passes them; the two BLASTs side by side."""


def stages_of(mode: str) -> tuple[str, ...]:
    """The stages that a mode has."""
    return tuple(one for one in STAGES if mode == "FULL" or one not in ("profile", "hhsearch"))


class ReferenceRef(Record):
    """A built reference."""

    folder: str
    fingerprint: str

    def identity(self) -> str:
        """Where it lies does not matter."""
        return self.fingerprint


class Chunk(Record):
    """Some proteins of a batch."""

    number: int
    """From 1 on."""
    table: Table
    """Columns of `tasks.domains.initialise`."""

    def identity(self) -> str:
        """Which proteins; not the chunk's number."""
        return self.table.digest


class Limits(Record):
    """When a stage must give up."""

    stage_s: float
    until: float
    """End of the whole run [s since the epoch]."""
    continue_on_error: bool = True


class SearchJob(Record):
    """What all searches of a run have in common."""

    batch: str
    reference: ReferenceRef
    settings: SearchSettings
    versions: dict[str, str]
    """Of the programs that search."""
    peptide_below: int
    limits: Limits
    search: bool = True
    """Off: only what is stored is taken."""
    refresh: bool = False


class Read(StageResult):
    """What was read."""

    table: Table
    records: int
    repeated: int
    lengths: dict[str, int]
    refused: dict[str, tuple[tuple[str, str, str], ...]]
    """File -> place, what and expectation of each problem."""
    nucleotides: int
    """Sequences that may be DNA or RNA."""
    first_nucleotides: str
    """Id of one of them."""

    def remarks(self) -> list[str]:
        """What is remarkable about the input, a sentence each."""
        told = []
        if self.repeated:
            told.append(f"{self.repeated:,} records came twice, with the same sequence; left out.")
        if self.nucleotides:
            told.append(
                f"{self.nucleotides:,} sequences, {self.first_nucleotides} first, have the letters "
                "of nucleotides only; proteins are expected."
            )
        for found in self.refused.values():
            more = f" (and {len(found) - 1:,} more problems)" if len(found) > 1 else ""
            told.append(f"A file was left out. {Problem(*found[0])}{more}")
        return told


class Cut(StageResult):
    """The proteins that this run works on, in chunks."""

    chunks: tuple[Chunk, ...] = ()
    chosen: int = 0
    """Proteins in them."""
    left_out: int = 0
    """Proteins of the input that were done before, or are not among the failed ones."""


class Searched(StageResult):
    """What a search found for the proteins of a chunk, by where it is stored."""

    places: dict[str, str] = Field({})
    """Digest -> file in the evidence store; "" where nothing was found."""
    failed: dict[str, str] = Field({})
    """Digest -> why it was not searched."""

    def identity(self) -> list[object]:
        """What was found; not how much of it was stored before."""
        return [sorted(self.places.items())]


class Uncovered(StageResult):
    """The proteins that BLAST does not explain."""

    digests: tuple[str, ...] = ()


class Registered(StageResult):
    """All evidence of a chunk, complete or not."""

    places: dict[str, dict[str, str]] = Field({})
    """Search -> digest -> file."""
    failed: dict[str, tuple[str, str]] = Field({})
    """Digest -> stage and reason; these proteins go no further."""

    def identity(self) -> list[object]:
        """The evidence, and for which proteins there is none."""
        return [self.places, sorted(self.failed)]


class Summarised(StageResult):
    """The evidence of a chunk as one table, its artifact."""


class Partitioned(StageResult):
    """The domains of the proteins of a chunk."""

    annotations: FileRef
    """Lines of JSON, gzipped: an annotation each, in the order of the chunk."""
    outcomes: dict[str, str] = Field({})
    """Id -> outcome."""
    failed: dict[str, str] = Field({})
    """Id -> what went wrong."""
