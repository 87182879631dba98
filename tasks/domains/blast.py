"""BLAST+: command lines and output.

The output is tabular with comments (`-outfmt 7`): a tenth of the XML, and its last line tells how
many queries there were, so that a file that was cut is noticed. Only columns that are needed are
asked for. An alignment comes as BTOP (BLAST trace-back operations), which Biopython reads as one
text: "12AC3-D" are 12 equal columns, A under C, 3 equal ones, a gap in the query against D.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pandas as pd
from Bio import SearchIO

from blocks.errors import ToolError
from tasks.domains.alignment import Block, Blocks, Hsp, join_collinear
from tasks.domains.evidence import Program, Source, evidence_frame
from tasks.domains.evidence_rows import evidence_row
from tasks.domains.queries import Queries
from tasks.domains.search_settings import BlastSettings

TOOL: Program = "blastp"
FIELDS = "qseqid sseqid qstart qend sstart send nident evalue bitscore btop"
OPERATIONS = re.compile(r"((?:\d+|[A-Za-z*]{2})+)|((?:-[A-Za-z*])+)|((?:[A-Za-z*]-)+)")
"""Columns without a gap, residues of the target alone, residues of the query alone."""
NUMBER = re.compile(r"\d+")
DATABASE_SUFFIXES = (".pin", ".phr", ".psq")
"""Files without which there is no protein database."""
END = b"# BLAST processed "
HITS = " hits found\n"
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
        *("-outfmt", f"7 {FIELDS}"),
    ]


def read_blast(file: IO[bytes], queries: Queries, source: Source) -> pd.DataFrame:
    """Evidence of a tabular output with comments; the HSPs of a pair are joined where collinear.

    Raises:
        ToolError: The file was cut, is not of these queries, or is no such table.
    """
    _require_whole(file, len(queries.proteins))
    lines = _Lines(file)
    rows: list[dict[str, object]] = []
    seen = 0
    try:
        results = SearchIO.parse(lines, "blast-tab", comments=True)  # type: ignore[no-untyped-call]
        for result in results:
            seen += 1
            protein = queries.protein(result.id, TOOL)
            for hit in result:
                rows += _rows(protein.id, hit, source)
    except (ValueError, KeyError, IndexError, AssertionError, UnicodeDecodeError) as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        told = f"its output cannot be read, behind query {seen} of {len(queries.proteins)}"
        raise ToolError(TOOL, 0, f"{told} ({reason})") from error
    if lines.rows != lines.told:
        raise ToolError(
            TOOL, 0, f"its output tells {lines.told} alignments, {lines.rows} are there"
        )
    if seen != len(queries.proteins):
        told = f"its output has {seen} of {len(queries.proteins)} queries"
        raise ToolError(TOOL, 0, told)
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


class _Lines:
    """What Biopython reads of a text file, line by line; alignments are counted on the way."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.rows = 0
        self.told = 0

    def readline(self) -> str:
        """The next line, "" at the end."""
        line = self._file.readline().decode("utf-8")
        if not line.startswith("#"):
            self.rows += bool(line)
        elif line.endswith(HITS):
            self.told += int(line.split()[1])
        return line

    def __iter__(self) -> Iterator[str]:
        return iter(self.readline, "")


def _rows(protein: str, hit: Any, source: Source) -> Iterator[dict[str, object]]:  # noqa: ANN401 -- untyped in Biopython
    hsps = [
        Hsp(
            blocks=btop_blocks(hsp.btop, hsp.query_range, hsp.hit_range),
            identities=int(hsp.ident_num),
            evalue=float(hsp.evalue),
            bitscore=float(hsp.bitscore),
        )
        for hsp in hit.hsps
    ]
    for one in join_collinear(hsps):
        yield evidence_row(protein, source, TOOL, hit.id, one)


def btop_blocks(btop: str, query: tuple[int, int], target: tuple[int, int]) -> Blocks:
    """Gap-free blocks of an alignment between two stretches (0-based, half-open).

    >>> btop_blocks("3AC--D-E2", (10, 16), (0, 8))
    Traceback (most recent call last):
        ...
    ValueError: '3AC--D-E2' does not fill 10-16 and 0-8
    >>> btop_blocks("3AC-D-E2", (10, 16), (0, 8))
    ((10, 0, 4), (14, 6, 2))

    Raises:
        ValueError: It is no such text, or does not end where the stretches do.
    """
    (q, q_end), (t, t_end) = query, target
    blocks: list[Block] = []
    read = 0
    for columns, of_target, of_query in OPERATIONS.findall(btop):
        read += len(columns) + len(of_target) + len(of_query)
        if columns:
            equal = NUMBER.findall(columns)
            run = sum(map(int, equal)) + (len(columns) - sum(map(len, equal))) // 2
            blocks.append((q, t, run))
            q, t = q + run, t + run
        q += len(of_query) // 2
        t += len(of_target) // 2
    if (q, t) != (q_end, t_end) or read != len(btop):
        told = f"{query[0]}-{q_end} and {target[0]}-{t_end}"
        raise ValueError(f"{btop[:60]!r} does not fill {told}")
    return tuple(blocks)
