"""BLAST+: command lines and output.

The output is tabular with comments (`-outfmt 7`): a tenth of the XML, and its last line tells how
many queries there were, so that a file that was cut is noticed. Only columns that are needed are
asked for. An alignment comes as trace-back operations (`tasks.domains.btop`).
"""

import io
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any

import pandas as pd
from Bio import SearchIO

from blocks.errors import ToolError
from tasks.domains.alignment import Hsp, join_collinear
from tasks.domains.btop import btop_blocks
from tasks.domains.evidence import Program, Source, evidence_frame
from tasks.domains.evidence_rows import evidence_row
from tasks.domains.outputs import reading
from tasks.domains.queries import Queries
from tasks.domains.search_settings import BlastSettings

TOOL: Program = "blastp"
COLUMNS = "qseqid sseqid qstart qend sstart send nident evalue bitscore btop"
"""What is asked for."""
DATABASE_SUFFIXES = (".pin", ".phr", ".psq")
"""Files without which there is no protein database."""
END = b"# BLAST processed "
HITS = re.compile(rb"# (\d+) hits found\n")
QUERY = b"# Query: "


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
        *("-outfmt", f"7 {COLUMNS}"),
    ]


def read_blast(file: IO[bytes], queries: Queries, source: Source) -> pd.DataFrame:
    """Evidence of a tabular output with comments; the HSPs of a pair are joined where collinear.

    Raises:
        ToolError: The file was cut, is not of these queries, or is no such table.
    """
    _require_whole(file, len(queries.proteins))
    with reading(TOOL):
        rows = [row for pair in _pairs(file) for row in _rows(*pair, queries, source)]
    return evidence_frame(rows)


def _require_whole(file: IO[bytes], number: int) -> None:
    """Whether all queries are there, and all alignments that are told; the file is at its start.

    Raises:
        ToolError: They are not.
    """
    listed = told = seen = 0
    last = b""
    for last in file:
        if not last.startswith(b"#"):
            listed += 1
        elif found := HITS.fullmatch(last):
            told += int(found[1])
        elif last.startswith(QUERY):
            seen += 1
    file.seek(0)
    if last.rstrip(b"\n") != END + f"{number} queries".encode():
        ending = last[-60:].decode(errors="replace") if last else "nothing"
        raise ToolError(TOOL, 0, f"its output is cut: it ends with {ending!r}")
    if listed != told:
        raise ToolError(TOOL, 0, f"its output tells {told} alignments, {listed} are there")
    if seen != number:
        raise ToolError(TOOL, 0, f"its output has {seen} of {number} queries")


def _pairs(file: IO[bytes]) -> Iterator[tuple[str, str, list[Hsp]]]:
    """Query, target and their HSPs, in the order of the table.

    Numbers alone are kept of what Biopython makes of a line, which is some kilobytes.

    Raises:
        ValueError: There is something else in a line.
    """
    pairs: list[tuple[str, str, int]] = []
    cells: list[tuple[Any, ...]] = []
    text = io.TextIOWrapper(file, encoding="ascii")
    for result in SearchIO.parse(text, "blast-tab", comments=True):  # type: ignore[no-untyped-call]
        for hit in result:
            pairs.append((result.id, hit.id, len(hit)))
            cells += [_cells(hsp) for hsp in hit]
    text.detach()  # the file is the caller's to close
    if not cells:
        return
    btop, query, query_end, target, target_end, *numbers = zip(*cells, strict=True)
    blocks = btop_blocks(btop, (query, query_end), (target, target_end))
    found = map(Hsp, blocks, *numbers)
    for name, of_target, hsps in pairs:
        yield name, of_target, list(islice(found, hsps))


def _cells(hsp: Any) -> tuple[Any, ...]:  # noqa: ANN401 -- untyped in Biopython
    one = hsp.fragment
    ends = one.query_start, one.query_end, one.hit_start, one.hit_end
    return hsp.btop, *ends, hsp.ident_num, hsp.evalue, hsp.bitscore


def _rows(
    query: str, target: str, hsps: Sequence[Hsp], queries: Queries, source: Source
) -> Iterator[dict[str, object]]:
    protein = queries.protein(query, TOOL).id
    for one in join_collinear(hsps):
        yield evidence_row(protein, source, TOOL, target, one)
