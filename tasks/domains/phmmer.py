"""Searches with phmmer, inside this process (pyhmmer): where BLAST+ is not installed.

It finds slightly more than blastp in three times its time; its rows say `phmmer`.
"""

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pandas as pd
import pyhmmer
from pyhmmer.easel import Alphabet, DigitalSequenceBlock, SequenceFile, TextSequence

from blocks.errors import InputError
from tasks.domains.alignment import Hsp, aligned_blocks, join_collinear
from tasks.domains.evidence import Program, Source, evidence_frame
from tasks.domains.evidence_rows import evidence_row
from tasks.domains.queries import Queries
from tasks.domains.search_settings import BlastSettings

if TYPE_CHECKING:
    from pyhmmer.easel import AA, DigitalSequence  # AA is known to pyhmmer's stubs only
    from pyhmmer.plan7 import Domain

TOOL: Program = "phmmer"


def read_block(fasta: Path) -> "DigitalSequenceBlock[AA]":
    """All sequences of a FASTA file, ready to be searched.

    Raises:
        InputError: There is no such file, or it is no FASTA.
    """
    try:
        with SequenceFile(fasta, format="fasta", digital=True, alphabet=Alphabet.amino()) as file:
            return cast("DigitalSequenceBlock[AA]", file.read_block())
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
    raise InputError(f"{fasta}: {reason}; expected sequences in FASTA")


def search_block(
    queries: Queries,
    targets: "DigitalSequenceBlock[AA]",
    source: Source,
    settings: BlastSettings,
    threads: int,
) -> pd.DataFrame:
    """Evidence of phmmer; rows in the order of the queries, the best targets first.

    Source:
        HMMER 3.4, `phmmer` with its defaults; the E-values of the whole target and of each
        alignment are below the limit.
    """
    by_name = {target.name: target for target in targets}
    found = pyhmmer.hmmer.phmmer(
        digital(queries),  # type: ignore[arg-type]  # invariant
        targets,  # type: ignore[arg-type]
        cpus=threads,
        E=settings.evalue,
        domE=settings.evalue,
    )
    rows: list[dict[str, object]] = []
    for protein, hits in zip(queries.proteins, found, strict=True):
        for hit in islice(hits.reported, settings.max_targets):
            target = by_name[hit.name].textize().sequence
            hsps = [_hsp(one, protein.sequence.upper(), target) for one in hit.domains.reported]
            rows += [
                evidence_row(protein.id, source, TOOL, hit.name, one)
                for one in join_collinear(hsps)
            ]
    return evidence_frame(rows)


def digital(queries: Queries) -> "list[DigitalSequence[AA]]":
    """The proteins as pyhmmer takes them, under their neutral names."""
    alphabet = Alphabet.amino()
    return [
        TextSequence(name=name, sequence=protein.sequence.upper()).digitize(alphabet)
        for name, protein in queries.by_name.items()
    ]


def _hsp(domain: "Domain", query: str, target: str) -> Hsp:
    """An alignment of HMMER; it shows its model, so identities are counted in the sequences."""
    shown = domain.alignment
    blocks = aligned_blocks(
        shown.hmm_sequence, shown.target_sequence, shown.hmm_from - 1, shown.target_from - 1
    )
    identities = sum(
        query[q + column] == target[t + column] for q, t, run in blocks for column in range(run)
    )
    return Hsp(blocks, identities, domain.i_evalue, domain.score)
