"""Proteins as the input of a search program, and their names restored in its output.

Programs get neutral names (`q000001`), so that blanks, bars and letter cases in a protein's own id
survive whatever a program thinks of them. Sequences are checked before: BLAST drops letters that it
does not know, with a warning only, and all positions behind them are wrong.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from blocks.errors import ToolError
from tasks.domains.calls import Protein
from tasks.sequence_files import fasta_text
from tasks.sequences import LETTERS, Findings

LINE = 60


@dataclass(frozen=True, slots=True)
class Queries:
    """Checked proteins with their neutral names."""

    proteins: tuple[Protein, ...]

    @property
    def sequences(self) -> list[str]:
        """In upper case."""
        return [protein.sequence.upper() for protein in self.proteins]

    def fasta(self) -> str:
        """All of them under their neutral names."""
        names = (name_of(index) for index in range(len(self.proteins)))
        return "".join(fasta_text(names, self.sequences, LINE))

    def protein(self, name: str, tool: str) -> Protein:
        """The protein behind a name in a program's output.

        Raises:
            ToolError: No query has that name.
        """
        number = name.removeprefix("q")
        if not number.isdecimal() or not 0 < int(number) <= len(self.proteins):
            raise ToolError(tool, 0, f"its output names {name[:40]!r}, which is no query")
        return self.proteins[int(number) - 1]


def name_of(index: int) -> str:
    """Neutral name of the query with that index.

    >>> name_of(0)
    'q000001'
    """
    return f"q{index + 1:06d}"


def checked_queries(proteins: Sequence[Protein]) -> Queries:
    """Proteins that any search program reads as they are.

    Raises:
        InputProblems: Ids that stand twice, empty sequences, letters that are no amino acids; all
            of them at once.
    """
    findings = Findings()
    letters = LETTERS["protein"]
    strip = str.maketrans("", "", letters + letters.lower())
    seen: set[str] = set()
    for protein in proteins:
        where = f"protein {protein.id!r}"
        if protein.id in seen:
            findings.add(where, "stands twice", "each protein once")
        seen.add(protein.id)
        if not protein.sequence:
            findings.add(where, "no sequence", "at least one residue")
        elif wrong := protein.sequence.translate(strip):
            position = protein.sequence.index(wrong[0]) + 1
            findings.add(
                f"{where}, position {position}",
                f"letter {wrong[0]!r}",
                f"letters of protein ({letters})",
            )
    findings.stop_if_any()
    return Queries(tuple(proteins))


def chunks(proteins: Iterable[Protein], size: int) -> Iterator[list[Protein]]:
    """The proteins in lists of at most `size`, in order."""
    chunk: list[Protein] = []
    for protein in proteins:
        chunk.append(protein)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
