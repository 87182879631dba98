"""What the searches of a run share: store, reference, what a stored result depends on."""

import hashlib
import json
from functools import lru_cache
from pathlib import Path

from prefect.settings import PREFECT_LOCAL_STORAGE_PATH

from blocks.batch_items import find_batch
from blocks.database import engine
from blocks.errors import InputError
from blocks.evidence_store import EvidenceStore, Search
from blocks.settings import settings
from blocks.storage import read_table
from tasks.domains.calibration import TABLE
from tasks.domains.calls import Protein
from tasks.domains.keeping import Kept
from tasks.domains.outcome import Chunk, ReferenceRef, SearchJob
from tasks.domains.reference import Reference, open_reference
from tasks.domains.search_settings import SearchSettings

SCIENCE = (
    "alignment", "annotating", "annotation", "boundaries", "calibration", "calls", "candidates",
    "classification", "confidence", "consensus", "describing", "evidence", "flat_blocks", "hits",
    "partition_settings", "properties", "proposal", "ranges", "reference_tables", "selection",
    "unaligned", "unassigned",
)  # fmt: skip
"""Modules of `tasks.domains` that decide what evidence means."""
PARTITION_MODULES = tuple(f"tasks.domains.{name}" for name in SCIENCE)
EVIDENCE_MODULES = ("tasks.domains.evidence", "tasks.domains.keeping")
PROGRAMS = {
    "chain_blast": ("blastp", "phmmer"),
    "domain_blast": ("blastp", "phmmer"),
    "profile": ("jackhmmer", "hhblits"),
    "hhsearch": ("jackhmmer", "hhblits", "hhsearch"),
}
"""Search -> programs whose versions decide its result."""
EVIDENCE_FORMAT = "1"
"""To be raised when what is read from a program's output changes: all is searched again then."""
NOT_DECIDING = ("chunk_size", "time_limit_s", "memory_gb", "engine", "threads")
"""Settings that change no result; the engine is told by its version."""


def calibration_digest() -> str:
    """Digest of the table of confidences, which is no code but decides as much."""
    return hashlib.sha256(TABLE.read_bytes()).hexdigest()


def evidence_store() -> EvidenceStore:
    """The evidence of this installation."""
    return EvidenceStore(engine(), settings().storage)


def proteins_of(chunk: Chunk) -> list[Protein]:
    """The proteins of a chunk, in order."""
    frame = read_table(chunk.table, ["id", "sequence", "digest"])
    return [Protein(*row) for row in frame.itertuples(index=False, name=None)]


@lru_cache(maxsize=2)
def _opened(folder: str, fingerprint: str) -> Reference:
    found = open_reference(folder)
    if found.manifest.fingerprint != fingerprint:
        raise InputError(f"{folder}: was built anew during the run; expected {fingerprint}")
    return found


def opened(reference: ReferenceRef) -> Reference:
    """The reference, whose tables stay in memory."""
    return _opened(reference.folder, reference.fingerprint)


def search_of(kind: str, job: SearchJob) -> Search:
    """What decides the result of a search besides the sequence."""
    given = job.settings.model_dump(mode="json")
    parts = {
        "chain_blast": ("blast",), "domain_blast": ("blast",), "profile": ("profiles",),
        "hhsearch": ("profiles", "hhsearch"),
    }  # fmt: skip
    chosen = {part: deciding(given[part]) for part in parts[kind]}
    programs = {name: job.versions[name] for name in PROGRAMS[kind] if name in job.versions}
    return Search.of(
        kind,
        format=EVIDENCE_FORMAT,
        reference=job.reference.fingerprint,
        settings=json.dumps(chosen, sort_keys=True),
        programs=json.dumps(programs, sort_keys=True),
    )


def deciding(given: dict[str, object]) -> dict[str, object]:
    """Settings of a search that decide its result."""
    return {name: value for name, value in given.items() if name not in NOT_DECIDING}


def limited(given: SearchSettings, left: float) -> SearchSettings:
    """The settings with no longer time limits than what is left [s]."""
    parts = {
        name: part.model_copy(update={"time_limit_s": min(part.time_limit_s, left)})
        for name, part in (
            ("blast", given.blast), ("profiles", given.profiles), ("hhsearch", given.hhsearch),
        )
    }  # fmt: skip
    return given.model_copy(update=parts)


def kept_of(job: SearchJob) -> Kept:
    """Where a run keeps evidence and states."""
    locks = Path(PREFECT_LOCAL_STORAGE_PATH.value()) / "locks"
    return Kept(evidence_store(), find_batch(engine(), job.batch), locks)
