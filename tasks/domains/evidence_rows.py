"""Rows of evidence from the alignments of one query with one target."""

from typing import TYPE_CHECKING

from tasks.domains.alignment import Hsp

if TYPE_CHECKING:
    from tasks.domains.evidence import Program, Source


def evidence_row(
    protein: str,
    source: "Source",
    program: "Program",
    target: str,
    hsp: Hsp,
    *,
    probability: float = float("nan"),
) -> dict[str, object]:
    """One row of a frame of evidence."""
    query_starts, target_starts, lengths = zip(*hsp.blocks, strict=True)
    return {
        "protein": protein,
        "source": source,
        "program": program,
        "target": target,
        "query_starts": list(query_starts),
        "target_starts": list(target_starts),
        "block_lengths": list(lengths),
        "identities": hsp.identities,
        "evalue": hsp.evalue,
        "bitscore": hsp.bitscore,
        "probability": probability,
        "hsp_count": hsp.count,
    }
