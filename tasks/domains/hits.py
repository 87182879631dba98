"""Rows of evidence as small records, for the loop over one protein's alignments."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import pandas as pd

from tasks.domains.alignment import Blocks
from tasks.domains.flat_blocks import flat_blocks

BEFORE, AFTER = ("source", "program", "target"), ("identities", "evalue", "bitscore", "probability")


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
    end: int
    """Of the last block in the query; 0 without blocks."""
    insertion: int
    """Most residues that the query has beyond the target between two blocks."""


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
    """The fields of each row's hit but the first."""
    flat = flat_blocks(evidence)
    every = tuple(zip(flat.query.tolist(), flat.target.tolist(), flat.length.tolist(), strict=True))
    blocks = [every[begin:end] for begin, end in pairwise(flat.bounds.tolist())]
    before, after = ([evidence[name].tolist() for name in names] for names in (BEFORE, AFTER))
    measured = (each.tolist() for each in (flat.columns, flat.query_ends, flat.insertions))
    return zip(*before, blocks, *after, *measured, strict=True)


def _ordered(rows: Iterable[tuple[Any, ...]], length: int) -> list[Hit]:
    hits = [Hit._make((number, *row)) for number, row in enumerate(rows)]
    fitting = [hit for hit in hits if 0 < hit.end <= length]
    fitting.sort(key=_content)
    return fitting


def _content(hit: Hit) -> tuple[object, ...]:
    return hit.evalue, hit.source, hit.target, hit.blocks, hit.program, hit.identities
