"""HH-suite: command lines and output.

What the programs (3.3.0) want, and what they do not say:

* A database needs `_a3m` and `_cs219`; hhsearch crashes where the latter has other entries, and
  where entry names of a3m and hhm differ it silently takes the a3m. Names beyond some 50
  characters crash it; `ENTRY_NAME` is what a reference's ids are held to. (BLAST+ drops dots
  at the end of an id.)
* hhsearch does not read the content of `_cs219`, hhblits does (`tasks.domains.ffindex`).
* cstranslate is not on PATH in Debian, and there is one for each kind of processor.
* An output without hits has no alignments, which Biopython does not expect.
* The table of hits cuts names after 30 characters; the line before each alignment does not.
"""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from Bio import SearchIO

from blocks.errors import ToolError
from tasks.domains.alignment import Hsp, aligned_blocks, identical_columns, join_collinear
from tasks.domains.evidence import Program, evidence_frame
from tasks.domains.evidence_rows import evidence_row
from tasks.domains.outputs import reading
from tasks.domains.search_settings import HhsearchSettings, ProfileSettings

TOOL: Program = "hhsearch"
ENTRY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+-]{0,29}(?<!\.)")
ENTRY_NAME_EXPECTED = (
    "up to 30 letters, digits and _ . : + -, the first a letter or digit, the last no dot"
)
DATABASE_PARTS = ("a3m", "cs219")
"""Without both of them hhsearch does not run."""
BIGGEST_E = "1e6"
_BLOCK = re.compile(r"^No +\d+ *$", re.MULTILINE)
_TABLE_ROW = re.compile(r"^ *\d+ \S.*\d+-\d+ +\d+-\d+ *\(\d+\) *$", re.MULTILINE)
_HEAD = " No Hit "
PERCENT = 100
JOINED_FROM = 0.5
"""Least probability of alignments that are joined: weaker ones would spoil the ends of others."""


def hhsearch_argv(
    query: Path, database: Path, out: Path, settings: HhsearchSettings, threads: int
) -> list[str]:
    """Command line that searches one alignment (a3m) against a database.

    As many alignments as lines in the table (`-B`, `-Z`), none below the probability (`-b 0`,
    `-z 0`). Without `-glob`, which stretches ranges to the ends of the query.
    """
    return [
        TOOL,
        *("-i", str(query)),
        *("-d", str(database)),
        *("-o", str(out)),
        *("-cpu", str(threads)),
        *("-maxmem", f"{settings.memory_gb:g}"),
        *("-p", f"{settings.min_probability * PERCENT:g}"),
        *("-E", BIGGEST_E),
        *("-Z", str(settings.max_hits)),
        *("-B", str(settings.max_hits)),
        *("-z", "0"),
        *("-b", "0"),
        *("-v", "1"),
    ]


def hhblits_argv(
    query: Path, database: Path, out: Path, *, settings: ProfileSettings, threads: int
) -> list[str]:
    """Command line that makes the alignment (a3m) of one protein."""
    return [
        "hhblits",
        *("-i", str(query)),
        *("-d", str(database)),
        *("-n", str(settings.rounds)),
        *("-e", f"{settings.evalue:g}"),
        *("-oa3m", str(out)),
        *("-o", "/dev/null"),
        *("-cpu", str(threads)),
        *("-v", "1"),
    ]


def hhmake_argv(alignments: Path, profiles: Path) -> list[str]:
    """Command line that makes the profile (hhm) of each entry of an ffindex database.

    `alignments` and `profiles` are paths without `.ffdata` and `.ffindex`; the entries' names stay.
    """
    return [
        "ffindex_apply",
        *("-d", f"{profiles}.ffdata"),
        *("-i", f"{profiles}.ffindex"),
        f"{alignments}.ffdata",
        f"{alignments}.ffindex",
        *("--", "hhmake", "-i", "stdin", "-o", "stdout", "-v", "0"),
    ]


def cstranslate_argv(program: Path, alignments: Path, states: Path, library: Path) -> list[str]:
    """Command line that makes the states (cs219) of each entry, for hhblits.

    Args:
        program: The one for this processor.
        library: Folder of `cs219.lib` and `context_data.lib`.
    """
    return [
        str(program),
        *("-x", "0.3"),
        *("-c", "4"),
        *("-A", str(library / "cs219.lib")),
        *("-D", str(library / "context_data.lib")),
        *("-I", "a3m"),
        *("-i", str(alignments)),
        *("-o", str(states)),
        *("-f", "-b"),
    ]


def read_hhr(text: str, protein: str) -> pd.DataFrame:
    """Evidence of an output of hhsearch; several alignments with one template are several rows.

    Likely alignments with one template that follow each other on both sequences are joined, as
    HSPs are.

    Raises:
        ToolError: It was cut, or is no such output.
    """
    if not _require_whole(text):
        return evidence_frame([])
    with reading(TOOL):
        result = SearchIO.read(io.StringIO(text), "hhsuite3-text")  # type: ignore[no-untyped-call]
        rows = [row for hit in result for row in _rows(protein, hit)]
    return evidence_frame(rows)


def _require_whole(text: str) -> int:
    """Number of alignments; each line of the table must have one."""
    _, found, table = text.partition(_HEAD)
    if not found or not text.startswith("Query"):
        raise ToolError(TOOL, 0, f"its output is cut: {len(text)} characters, without a table")
    table, _, _ = table.partition("\nNo 1 ")
    listed, shown = len(_TABLE_ROW.findall(table)), len(_BLOCK.findall(text))
    if listed != shown or not text.endswith("\n"):
        told = f"its table lists {listed} alignments, {shown} are there"
        raise ToolError(TOOL, 0, f"its output is cut: {told}")
    return shown


def _rows(protein: str, hit: Any) -> Iterator[dict[str, object]]:  # noqa: ANN401 -- untyped in Biopython
    likely: list[Hsp] = []
    probabilities: dict[float, float] = {}
    for hsp in hit.hsps:
        query, target = str(hsp.query.seq), str(hsp.hit.seq)
        blocks = aligned_blocks(query, target, hsp.query_start, hsp.hit_start)
        last_query, last_target, length = blocks[-1]
        ends = (last_query + length, last_target + length)
        if ends != (hsp.query_end, hsp.hit_end):
            told = (hsp.query_end, hsp.hit_end)
            raise ValueError(f"alignment with {hit.id} ends at {ends}, its numbers tell {told}")
        one = Hsp(blocks, identical_columns(query, target), float(hsp.evalue), float(hsp.score))
        probability = float(hsp.prob) / PERCENT
        if probability < JOINED_FROM:
            yield evidence_row(protein, "hhsearch", TOOL, hit.id, one, probability=probability)
            continue
        likely.append(one)
        probabilities[one.evalue] = max(probability, probabilities.get(one.evalue, 0.0))
    for one in join_collinear(likely):
        probability = probabilities[one.evalue]
        yield evidence_row(protein, "hhsearch", TOOL, hit.id, one, probability=probability)
