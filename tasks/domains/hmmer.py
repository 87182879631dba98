"""phmmer and jackhmmer (pyhmmer) as a program of its own: inside of ours no limit could end them.

    python -m tasks.domains.hmmer REQUEST

The request is a file of JSON, `Request`; the answer is a file with a line of JSON for each row of
evidence (phmmer) or for each protein's alignment (jackhmmer), and a last one that tells their
number. phmmer serves where BLAST+ is not installed: it finds slightly more than blastp in three
times its time.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, cast

import pyhmmer
from pyhmmer.easel import Alphabet, DigitalSequenceBlock, SequenceFile, TextSequence

from blocks.errors import InputError
from tasks.domains.alignment import Hsp, aligned_blocks, join_collinear
from tasks.domains.evidence_rows import evidence_row
from tasks.domains.profiles import a3m_of

if TYPE_CHECKING:
    from pyhmmer.easel import AA, DigitalSequence  # AA is known to pyhmmer's stubs only
    from pyhmmer.plan7 import Domain, IterationResult

    from tasks.domains.evidence import Source

Named = Sequence[tuple[str, str]]
"""Name and sequence, in upper case, of each query."""


class Request(TypedDict):
    """What is to be searched."""

    program: Literal["phmmer", "jackhmmer"]
    queries: list[tuple[str, str]]
    targets: list[str]
    """FASTA files."""
    source: "Source"
    evalue: float
    """Greatest one that is reported (phmmer), or joins an alignment (jackhmmer)."""
    max_targets: int
    rounds: int
    threads: int
    answer: str
    """The file."""


def read_block(files: Sequence[str]) -> "DigitalSequenceBlock[AA]":
    """All sequences of FASTA files, ready to be searched.

    Raises:
        InputError: There is no such file, or it is no FASTA.
    """
    alphabet = Alphabet.amino()
    block: DigitalSequenceBlock[AA] = DigitalSequenceBlock(alphabet)
    for path in files:
        try:
            with SequenceFile(path, format="fasta", digital=True, alphabet=alphabet) as file:
                block.extend(file.read_block())
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"{path}: {reason}; expected sequences in FASTA") from None
    return block


def phmmer_rows(asked: Request, targets: "DigitalSequenceBlock[AA]") -> Iterator[dict[str, object]]:
    """Rows of evidence in the order of the queries, the best targets first.

    Source:
        HMMER 3.4, `phmmer` with its defaults; the E-values of the whole target and of each
        alignment are below the limit.
    """
    by_name = {target.name: target for target in targets}
    found = pyhmmer.hmmer.phmmer(
        digital(asked["queries"]),  # type: ignore[arg-type]  # invariant
        targets,  # type: ignore[arg-type]
        cpus=asked["threads"],
        E=asked["evalue"],
        domE=asked["evalue"],
    )
    for (name, query), hits in zip(asked["queries"], found, strict=True):
        for hit in islice(hits.reported, asked["max_targets"]):
            target = by_name[hit.name].textize().sequence
            hsps = [_hsp(one, query, target) for one in hit.domains.reported]
            for one in join_collinear(hsps):
                yield evidence_row(name, asked["source"], "phmmer", hit.name, one)


def jackhmmer_alignments(asked: Request, targets: "DigitalSequenceBlock[AA]") -> Iterator[str]:
    """The a3m of each query, in order, by iterative search.

    Source:
        HMMER 3.4, `jackhmmer` with inclusion E-values of targets and domains as set.
    """
    made = pyhmmer.hmmer.jackhmmer(
        digital(asked["queries"]),  # type: ignore[arg-type]  # invariant
        targets,  # type: ignore[arg-type]
        max_iterations=asked["rounds"],
        checkpoints=False,
        cpus=asked["threads"],
        incE=asked["evalue"],
        incdomE=asked["evalue"],
    )
    for (name, sequence), result in zip(asked["queries"], made, strict=True):
        text = cast("IterationResult[AA]", result).msa.textize()
        rows = list(zip(text.names, text.alignment, strict=True))
        yield a3m_of(name, sequence, rows)


def digital(queries: Named) -> "list[DigitalSequence[AA]]":
    """The proteins as pyhmmer takes them."""
    alphabet = Alphabet.amino()
    return [
        TextSequence(name=name, sequence=sequence).digitize(alphabet) for name, sequence in queries
    ]


def _hsp(domain: "Domain", query: str, target: str) -> Hsp:
    """An alignment of HMMER; it shows its model, so identities are counted in the sequences."""
    shown = domain.alignment
    blocks = aligned_blocks(
        shown.hmm_sequence, shown.target_sequence, shown.hmm_from - 1, shown.target_from - 1
    )
    identities = sum(
        query[q + column] == target[t + column] for q, t, run in blocks for column in range(run)
    )
    return Hsp(blocks, identities, domain.i_evalue, domain.score)


def main(request: Path) -> None:
    """Answer a request; what is wrong with the files is an answer, too."""
    asked: Request = json.loads(request.read_text(encoding="utf-8"))
    search: Any = phmmer_rows if asked["program"] == "phmmer" else jackhmmer_alignments
    with Path(asked["answer"]).open("w", encoding="utf-8") as answer:
        number = 0
        try:
            for one in search(asked, read_block(asked["targets"])):
                answer.write(json.dumps(one) + "\n")
                number += 1
        except InputError as error:
            answer.write(json.dumps({"refused": str(error)}) + "\n")
        else:
            answer.write(json.dumps({"answers": number}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
