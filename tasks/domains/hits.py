"""Rows of evidence as small records, for the loop over one protein's alignments."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from tasks.domains.alignment import Blocks


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


def read_hits(evidence: pd.DataFrame, length: int) -> list[Hit]:
    """The alignments of a protein of that length, in an order that the frame's does not change.

    Alignments without columns, or beyond the protein's end, are left out: they belong to another
    sequence.
    """
    columns = [
        evidence[name].tolist()
        for name in (
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
    ]
    hits = []
    for row, (source, program, target, qs, ts, runs, *numbers) in enumerate(
        zip(*columns, strict=True)
    ):
        blocks = tuple(zip(_integers(qs), _integers(ts), _integers(runs), strict=True))
        if blocks and blocks[-1][0] + blocks[-1][2] <= length:
            hits.append(Hit(row, source, program, target, blocks, *numbers))
    hits.sort(key=_content)
    return hits


def _integers(values: Sequence[int]) -> list[int]:
    """Plain integers, from a list or an array: numpy's are slow in a loop."""
    return values.tolist() if hasattr(values, "tolist") else list(values)


def _content(hit: Hit) -> tuple[object, ...]:
    return hit.evalue, hit.source, hit.target, hit.blocks, hit.program, hit.identities
