"""Evidence: one row per alignment of a query protein with an entry of the reference.

    protein        str    id of the query
    source         str    one of SOURCES: which part of the reference was searched, and how
    program        str    one of PROGRAMS
    target         str    id of a reference chain (chain_blast) or domain (the others)
    query_starts   [int]  first query position of each gap-free block, 0-based
    target_starts  [int]  first target position of the same blocks, in the entry's own sequence
    block_lengths  [int]  columns of the same blocks
    identities     int    identical columns over all blocks
    evalue         float  0.0 is possible: the program could not print a smaller number
    bitscore       float  [bit]; NaN where the program gives none
    probability    float  0..1; NaN except for hhsearch
    hsp_count      int    HSPs that were joined

All collinear HSPs of a query and a target are one row; what is not collinear is a further row.
"""

from collections.abc import Sequence
from typing import Literal

import pandas as pd
import pyarrow as pa

Source = Literal["chain_blast", "domain_blast", "hhsearch"]
Program = Literal["blastp", "phmmer", "hhsearch"]
SOURCES: tuple[Source, ...] = ("chain_blast", "domain_blast", "hhsearch")
PROGRAMS: tuple[Program, ...] = ("blastp", "phmmer", "hhsearch")

EVIDENCE_SCHEMA = pa.schema(
    [
        pa.field("protein", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("program", pa.string(), nullable=False),
        pa.field("target", pa.string(), nullable=False),
        pa.field("query_starts", pa.list_(pa.int32()), nullable=False),
        pa.field("target_starts", pa.list_(pa.int32()), nullable=False),
        pa.field("block_lengths", pa.list_(pa.int32()), nullable=False),
        pa.field("identities", pa.int32(), nullable=False),
        pa.field("evalue", pa.float64(), nullable=False),
        pa.field("bitscore", pa.float64()),
        pa.field("probability", pa.float64()),
        pa.field("hsp_count", pa.int32(), nullable=False),
    ]
)
EVIDENCE_COLUMNS: tuple[str, ...] = tuple(EVIDENCE_SCHEMA.names)


def empty_evidence() -> pd.DataFrame:
    """A frame of evidence without rows."""
    return evidence_frame([])


def evidence_frame(rows: Sequence[dict[str, object]]) -> pd.DataFrame:
    """A frame of evidence of rows that have all columns; dtypes do not depend on the rows."""
    frame = pd.DataFrame(list(rows), columns=list(EVIDENCE_COLUMNS))
    return frame.astype(
        {
            **dict.fromkeys(("protein", "source", "program", "target"), "str"),
            **dict.fromkeys(("query_starts", "target_starts", "block_lengths"), "object"),
            **dict.fromkeys(("identities", "hsp_count"), "int64"),
            **dict.fromkeys(("evalue", "bitscore", "probability"), "float64"),
        }
    )
