"""Searches on Prefect: tasks over chunks of proteins, or parts of chunks.

They go through the evidence store, protein by protein, and are never answered from a stored result
as a whole: what failed is asked again.
"""

from collections.abc import Sequence
from typing import Literal

import pandas as pd

from tasks.domains import searching
from tasks.domains.annotating import annotate_each
from tasks.domains.calls import Protein
from tasks.domains.keeping import Asking, evidence_of, kept_search, rows_of, texts_of
from tasks.domains.outcome import (
    Chunk,
    ReferenceRef,
    Searched,
    SearchJob,
    Uncovered,
)
from tasks.domains.partition_settings import PartitionSettings
from tasks.domains.search_jobs import (
    EVIDENCE_MODULES,
    PARTITION_MODULES,
    evidence_store,
    kept_of,
    limited,
    opened,
    proteins_of,
    search_of,
)
from tasks.items import Counts
from tasks.policies import compute, external_tool
from tasks.progress import Progress


@external_tool()
def blast(source: Literal["chain_blast", "domain_blast"], chunk: Chunk, job: SearchJob) -> Searched:
    """Search the proteins of a chunk with BLAST, all that are not stored in one call."""
    proteins = proteins_of(chunk)
    searched, peptides = _without_peptides(proteins, job.peptide_below)
    kept = kept_of(job)
    kept.batch.record(source, "skipped", [one.id for one in peptides])
    reference = opened(job.reference)
    beside = 1 + reference.has_sequences("chain_blast")  # searches of a chunk go side by side
    shared = {"threads": max(1, job.settings.threads // beside)}

    def ask(part: Sequence[Protein], left: float) -> pd.DataFrame:
        given = limited(job.settings, left).model_copy(update=shared)
        return searching.search_blast(part, reference, source, given)

    asking = Asking(source, search_of(source, job), ask, rows_of, at_once=max(len(searched), 1))
    return kept_search(asking, searched, kept, job.limits, refresh=job.refresh)


@compute(*PARTITION_MODULES, *EVIDENCE_MODULES)
def uncovered(
    chunk: Chunk,
    found: tuple[Searched, Searched],
    reference: ReferenceRef,
    *,
    partition: PartitionSettings,
    below: float,
    calibration: str,  # noqa: ARG001 -- part of the cache key
) -> Uncovered:
    """The proteins of a chunk of which BLAST's domains cover less than a share.

    Args:
        calibration: Digest of the table that confidences are read from.
    """
    proteins = [
        one
        for one in proteins_of(chunk)
        if len(one.sequence) >= partition.peptide_below
        and all(one.digest in searched.places for searched in found)
    ]
    places = {str(number): searched.places for number, searched in enumerate(found)}
    evidence = evidence_of(places, proteins, evidence_store())
    made, _ = annotate_each(proteins, evidence, opened(reference).tables, partition)
    short = {one.protein for one in made if one.assigned < below * one.length}
    open_ = [one.digest for one in proteins if one.id in short]
    return Uncovered(
        stage="uncovered",
        digests=tuple(dict.fromkeys(open_)),
        counts=Counts(items_in=len(proteins), items_out=len(open_)),
    )


@external_tool()
def profiles(chunk: Chunk, wanted: Uncovered, part: tuple[int, int], job: SearchJob) -> Searched:
    """Make the alignment of each protein that HHsearch is to search: every nth of a chunk."""
    proteins = _part(chunk, wanted, part)
    kept = kept_of(job)
    if part[0] == 0:
        others = [one.id for one in proteins_of(chunk) if one.digest not in set(wanted.digests)]
        kept.batch.record("profile", "skipped", others)
        kept.batch.record("hhsearch", "skipped", others)
    reference = opened(job.reference)

    def ask(few: Sequence[Protein], left: float) -> list[str]:
        given = limited(job.settings, left)
        return [searching.build_profile(one, reference, given) for one in few]

    asking = Asking("profile", search_of("profile", job), ask, texts_of, at_once=1)
    told = Progress(f"profiles {chunk.number}.{part[0] + 1}", max(len(proteins), 1))
    return kept_search(asking, proteins, kept, job.limits, refresh=job.refresh, tick=told.advance)


@external_tool()
def hhsearch(
    chunk: Chunk, wanted: Uncovered, made: Searched, part: tuple[int, int], job: SearchJob
) -> Searched:
    """Search the profiles, one protein after the other; each result is stored at once."""
    proteins = [one for one in _part(chunk, wanted, part) if one.digest in made.places]
    reference, kept = opened(job.reference), kept_of(job)

    def ask(few: Sequence[Protein], left: float) -> pd.DataFrame:
        (one,) = few
        alignment = kept.store.text(made.places[one.digest])
        return searching.search_hhsuite(one, alignment, reference, limited(job.settings, left))

    asking = Asking("hhsearch", search_of("hhsearch", job), ask, rows_of, at_once=1)
    told = Progress(f"HHsearch {chunk.number}.{part[0] + 1}", max(len(proteins), 1))
    found = kept_search(asking, proteins, kept, job.limits, refresh=job.refresh, tick=told.advance)
    counts = found.counts.model_copy(
        update={
            "items_in": found.counts.items_in + len(made.failed),
            "items_failed": found.counts.items_failed + len(made.failed),
        }
    )
    profile = {digest: f"profile: {reason}" for digest, reason in made.failed.items()}
    return found.model_copy(update={"failed": {**profile, **found.failed}, "counts": counts})


def _without_peptides(
    proteins: Sequence[Protein], peptide_below: int
) -> tuple[list[Protein], list[Protein]]:
    long_enough = [one for one in proteins if len(one.sequence) >= peptide_below]
    return long_enough, [one for one in proteins if len(one.sequence) < peptide_below]


def _part(chunk: Chunk, wanted: Uncovered, part: tuple[int, int]) -> list[Protein]:
    """Every nth of the proteins that are wanted, whatever they are in the chunk."""
    mine = set(wanted.digests[part[0] :: part[1]])
    return [one for one in proteins_of(chunk) if one.digest in mine]
