"""Rows of evidence as small records, for the loop over one protein's alignments."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from tasks.domains.alignment import Blocks

COLUMNS = (
    "source",
    "program",
    "target",
    "query_starts",
    "target_starts",
    "block_lengths",
    "identities",
    "evalue",
    "bitscore",
    "probability",
)


class Hit(NamedTuple):
    """One row of evidence; what the fields mean stands in `tasks.domains.evidence`."""

    row: int
    source: str
    program: str
    target: str
    blocks: Blocks
    identities: int
    evalue: float
    bitscore: float
    probability: float
    columns: int
    """Aligned columns over all blocks."""


def read_hits(evidence: pd.DataFrame, length: int) -> list[Hit]:
    """The alignments of a protein of that length, in an order that the frame's does not change.

    Alignments without columns, or beyond the protein's end, are left out: they belong to another
    sequence.
    """
    return _ordered(_rows(evidence), length)


def hits_by_protein(evidence: pd.DataFrame, lengths: Mapping[str, int]) -> dict[str, list[Hit]]:
    """The same for each protein that has a length; columns are unpacked once for all."""
    rows: dict[str, list[tuple[Any, ...]]] = {}
    for protein, row in zip(evidence["protein"].tolist(), _rows(evidence), strict=True):
        rows.setdefault(protein, []).append(row)
    return {name: _ordered(rows[name], lengths[name]) for name in rows if name in lengths}


def _rows(evidence: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    return zip(*(evidence[name].tolist() for name in COLUMNS), strict=True)


def _ordered(rows: Iterable[tuple[Any, ...]], length: int) -> list[Hit]:
    hits = []
    for row, (source, program, target, qs, ts, runs, same, evalue, bits, p) in enumerate(rows):
        blocks = tuple(zip(_integers(qs), _integers(ts), _integers(runs), strict=True))
        if blocks and blocks[-1][0] + blocks[-1][2] <= length:
            columns = sum([run for _, _, run in blocks])
            hit = Hit(row, source, program, target, blocks, same, evalue, bits, p, columns)
            hits.append(hit)
    hits.sort(key=_content)
    return hits


def _integers(values: Sequence[int]) -> list[int]:
    """Plain integers, from a list or an array: numpy's are slow in a loop."""
    return values.tolist() if hasattr(values, "tolist") else list(values)


def _content(hit: Hit) -> tuple[object, ...]:
    return hit.evalue, hit.source, hit.target, hit.blocks, hit.program, hit.identities
