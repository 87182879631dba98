"""Clusters of sequences by MMseqs2: its input, its command line, its output.

The partition is that of `tasks.design.sequence_clusters` where groups are well apart; where they
are not (adjusted Rand index down to 0.8 when most pairs lie at the threshold), the two differ:

* at the threshold: MMseqs2 rounds scores differently, so alignments differ by a residue or two;
* where groups touch: MMseqs2 joins in steps and repairs afterwards, so that a member may stand with
  another representative that it reaches, and a representative may have been a member here;
* below an identity of about 0.5, and for sequences shorter than about 20 residues: MMseqs2 finds
  pairs by shared words, and such pairs may share none.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from blocks.errors import InputError
from tasks.design.cluster_params import IdentityParams
from tasks.design.clusters import Labels


def mmseqs_fasta(sequences: Sequence[str]) -> str:
    """FASTA for MMseqs2: the names are 0, 1, …; what joins chains becomes X."""
    return "".join(
        f">{index}\n{sequence.replace(':', 'X')}\n" for index, sequence in enumerate(sequences)
    )


def mmseqs_argv(fasta: Path, prefix: Path, tmp: Path, params: IdentityParams) -> list[str]:
    """Command line that clusters `mmseqs_fasta`; the result is in `{prefix}_cluster.tsv`.

    `easy-cluster`, because `easy-linclust` compares too few pairs at low identities, and one step
    of all against all grows with the square of the number. `--cluster-reassign` takes members out
    that do not reach their final representative. Coverage of both sequences (`-c`) follows from
    the identity and only saves work. Without masking, composition correction, E-value and shuffle
    the numbers and the order are those of the definition.
    """
    identity_ = f"{params.min_identity:g}"
    return [
        *("mmseqs", "easy-cluster", str(fasta), str(prefix), str(tmp)),
        *("--dbtype", "1"),
        *("--min-seq-id", identity_),
        *("--seq-id-mode", "2"),
        *("--alignment-mode", "3"),
        *("--cov-mode", "0"),
        *("-c", identity_),
        *("-e", "inf"),
        *("--cluster-mode", "2"),
        *("--cluster-reassign", "1"),
        *("-s", "7.5"),
        *("-k", "5"),
        *("--kmer-per-seq", "100"),
        *("--max-seqs", "1000"),
        *("--comp-bias-corr", "0"),
        *("--mask", "0"),
        *("--shuffle", "0"),
        *("-v", "1"),
    ]


def parse_mmseqs(text: str, number: int) -> Labels:
    """The index of each sequence's representative, int64 (number,), from `_cluster.tsv`.

    Raises:
        InputError: A line is not two numbers, or a sequence is missing.
    """
    joined = np.full(number, -1, dtype=np.int64)
    for line_number, line in enumerate(text.splitlines(), start=1):
        cells = line.split("\t")
        if len(cells) != 2 or not all(cell.isdecimal() and int(cell) < number for cell in cells):  # noqa: PLR2004 -- two columns
            raise InputError(
                f"MMseqs2, line {line_number}: {line[:60]!r}; expected representative, tab, member"
            )
        joined[int(cells[1])] = int(cells[0])
    if (missing := int((joined < 0).sum())) > 0:
        raise InputError(f"MMseqs2: {missing} of {number} sequences are in no cluster")
    return joined
