"""Alignments of all domains at once by MMseqs2: command lines and output."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from tasks.domains.ffindex import Entries
from tasks.domains.reference_model import MmseqsProfiles

A3M = "6"
"""Format of `result2msa`: a3m without consensus."""


def createdb_argv(files: Sequence[Path], database: Path) -> list[str]:
    """Command line that reads FASTA files; entries keep their order, so keys are record numbers."""
    return [
        *("mmseqs", "createdb", *map(str, files), str(database)),
        *("--dbtype", "1"),
        *("--shuffle", "0"),
        *("-v", "1"),
    ]


def search_argv(
    queries: Path,
    targets: Path,
    result: Path,
    tmp: Path,
    *,
    params: MmseqsProfiles,
    threads: int,
) -> list[str]:
    """Command line of the iterative search."""
    return [
        *("mmseqs", "search", str(queries), str(targets), str(result), str(tmp)),
        *("--num-iterations", str(params.rounds)),
        *("-s", f"{params.sensitivity:g}"),
        *("-e", f"{params.evalue:g}"),
        *("--split-memory-limit", f"{round(params.memory_gb * 1000)}M"),
        *("--threads", str(threads)),
        *("-v", "1"),
    ]


def alignments_argv(
    queries: Path, targets: Path, result: Path, alignments: Path, threads: int
) -> list[str]:
    """Command line that writes the alignments."""
    return [
        *("mmseqs", "result2msa", str(queries), str(targets), str(result), str(alignments)),
        *("--msa-format-mode", A3M),
        *("--threads", str(threads)),
        *("-v", "1"),
    ]


def read_alignments(alignments: Path, names: list[str]) -> Iterator[tuple[str, str]]:
    """Name and a3m of each query; what MMseqs2 writes behind a name is cut."""
    entries = Entries(alignments, Path(f"{alignments}.index"))
    for key, content in entries.items():
        yield names[int(key)], _bare_names(content.decode("utf-8"))


def _bare_names(text: str) -> str:
    r"""The a3m with names up to the first tab or blank.

    >>> _bare_names(">d1\nMK\n>h\t12\t0.5\nM-\n")
    '>d1\nMK\n>h\nM-\n'
    """
    lines = (line.split()[0] if line.startswith(">") else line for line in text.splitlines())
    return "\n".join(lines) + "\n"
