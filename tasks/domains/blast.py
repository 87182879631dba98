"""BLAST+: command lines and output.

The output is tabular with comments (`-outfmt 7`): a tenth of the XML, and its last line tells how
many queries there were, so that a file that was cut is noticed. Only columns that are needed are
asked for. An alignment comes as trace-back operations (`tasks.domains.btop`).

The table is read by pyarrow: Biopython, which the tests compare it with, takes 0.13 ms for a row,
a twentieth of what blastp takes to find it.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import IO

import pandas as pd
import pyarrow as pa
from pyarrow import csv

from blocks.errors import ToolError
from tasks.domains.alignment import Hsp, join_collinear
from tasks.domains.btop import btop_blocks
from tasks.domains.evidence import Program, Source, evidence_frame
from tasks.domains.evidence_rows import evidence_row
from tasks.domains.queries import Queries
from tasks.domains.search_settings import BlastSettings

TOOL: Program = "blastp"
TEXT, WHOLE, REAL = pa.string(), pa.int64(), pa.float64()
FIELDS = {
    "qseqid": TEXT, "sseqid": TEXT, "qstart": WHOLE, "qend": WHOLE, "sstart": WHOLE, "send": WHOLE,
    "nident": WHOLE, "evalue": REAL, "bitscore": REAL, "btop": TEXT,
}  # fmt: skip
"""Columns that are asked for."""
DATABASE_SUFFIXES = (".pin", ".phr", ".psq")
"""Files without which there is no protein database."""
END = b"# BLAST processed "
HITS = b" hits found\n"
QUERY = b"# Query: "
TAIL_BYTES = 200


def makeblastdb_argv(fasta: Path, database: Path, title: str) -> list[str]:
    """Command line that makes a protein database.

    Without `-parse_seqids`: it would refuse ids that look wrong to NCBI, and fold their case.
    """
    return [
        "makeblastdb",
        *("-in", str(fasta)),
        *("-dbtype", "prot"),
        *("-title", title),
        *("-out", str(database)),
    ]


def blastp_argv(
    query: Path, database: Path, out: Path, settings: BlastSettings, threads: int
) -> list[str]:
    """Command line that searches all proteins of a FASTA file."""
    return [
        TOOL,
        *("-query", str(query)),
        *("-db", str(database)),
        *("-out", str(out)),
        *("-evalue", f"{settings.evalue:g}"),
        *("-max_target_seqs", str(settings.max_targets)),
        *("-num_threads", str(threads)),
        *("-outfmt", f"7 {' '.join(FIELDS)}"),
    ]


def read_blast(file: IO[bytes], queries: Queries, source: Source) -> pd.DataFrame:
    """Evidence of a tabular output with comments; the HSPs of a pair are joined where collinear.

    Raises:
        ToolError: The file was cut, is not of these queries, or is no such table.
    """
    _require_whole(file, len(queries.proteins))
    lines: list[bytes] = []
    told = seen = 0
    for line in file:
        if not line.startswith(b"#"):
            lines.append(line)
        elif line.endswith(HITS):
            told += int(line.split()[1])
        elif line.startswith(QUERY):
            seen += 1
    if len(lines) != told:
        raise ToolError(TOOL, 0, f"its output tells {told} alignments, {len(lines)} are there")
    if seen != len(queries.proteins):
        raise ToolError(TOOL, 0, f"its output has {seen} of {len(queries.proteins)} queries")
    try:
        rows = [row for pair in _pairs(lines) for row in _rows(*pair, queries, source)]
    except ValueError as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise ToolError(TOOL, 0, f"its output cannot be read ({reason})") from error
    return evidence_frame(rows)


def _require_whole(file: IO[bytes], number: int) -> None:
    """Whether the last line is there, and tells as many queries as were given."""
    size = file.seek(0, 2)
    file.seek(max(0, size - TAIL_BYTES))
    last = file.read().rstrip(b"\n").rsplit(b"\n", 1)[-1]
    file.seek(0)
    if last != END + f"{number} queries".encode():
        told = last[-60:].decode(errors="replace") if last else "nothing"
        raise ToolError(TOOL, 0, f"its output is cut: it ends with {told!r}")


def _pairs(lines: Sequence[bytes]) -> Iterator[tuple[str, str, list[Hsp]]]:
    """Query, target and their HSPs, in the order of the table.

    Raises:
        ValueError: There is something else in a line.
    """
    if not lines:  # of which pyarrow makes no table
        return
    columns = csv.read_csv(
        pa.BufferReader(b"".join(lines)),
        csv.ReadOptions(column_names=list(FIELDS), use_threads=False),
        csv.ParseOptions(delimiter="\t", quote_char=False),
        csv.ConvertOptions(column_types=FIELDS, null_values=[], strings_can_be_null=False),
    )
    cells = {name: columns[name].to_pylist() for name in FIELDS}
    query = [one - 1 for one in cells["qstart"]], cells["qend"]
    target = [one - 1 for one in cells["sstart"]], cells["send"]
    blocks = btop_blocks(cells["btop"], query, target)
    found = map(Hsp, blocks, cells["nident"], cells["evalue"], cells["bitscore"])
    of_pairs = zip(cells["qseqid"], cells["sseqid"], found, strict=True)
    for (name, of_target), rows in groupby(of_pairs, key=itemgetter(0, 1)):
        yield name, of_target, [hsp for _, _, hsp in rows]


def _rows(
    query: str, target: str, hsps: Sequence[Hsp], queries: Queries, source: Source
) -> Iterator[dict[str, object]]:
    protein = queries.protein(query, TOOL).id
    for one in join_collinear(hsps):
        yield evidence_row(protein, source, TOOL, target, one)
