"""The stretch of a coding sequence that is mutated and read, and variants of it by name.

A variant is named by its substitutions in the numbers of the whole protein, `A31V/K40E`, as in the
tables of `design`; the wild type by `WT`. A stop codon is the residue `*`.
"""

from dataclasses import dataclass
from typing import Any

from Bio.Data import CodonTable

from blocks.errors import InputError

STOP = "*"
WILD_TYPE = "WT"
JOINT = "/"
CODON = 3
_CODE: Any = CodonTable.standard_dna_table  # Biopython has no types
RESIDUE_OF: dict[str, str] = {**_CODE.forward_table, **dict.fromkeys(_CODE.stop_codons, STOP)}
"""The standard genetic code, 64 codons."""


@dataclass(frozen=True, slots=True)
class Region:
    """A stretch of whole codons in a coding sequence; made by `region_of`."""

    coding: str
    """The whole coding sequence, ACGT, a stop at its end left out."""
    first: int
    """Residue of the first codon, 1-based."""
    codons: int

    @property
    def protein(self) -> str:
        """The whole protein."""
        return translated(self.coding)

    @property
    def dna(self) -> str:
        """The stretch itself."""
        start = (self.first - 1) * CODON
        return self.coding[start : start + self.codons * CODON]

    @property
    def residues(self) -> str:
        """The stretch, translated."""
        return translated(self.dna)


def region_of(coding: str, first: int, length_nt: int) -> Region:
    """The stretch that begins at a residue and has a length.

    Raises:
        InputError: The sequence is no coding one, or the stretch does not lie in it.
    """
    text = coding.upper()
    wrong = next((place for place, base in enumerate(text, 1) if base not in "ACGT"), None)
    if wrong is not None:
        raise InputError(f"parent, base {wrong}: {text[wrong - 1]!r}; expected A, C, G or T")
    if not text or len(text) % CODON:
        raise InputError(f"parent: {len(text)} bases; expected whole codons of a coding sequence")
    if RESIDUE_OF[text[-CODON:]] == STOP:
        text = text[:-CODON]
    protein = translated(text)
    if STOP in protein:
        place = protein.index(STOP) + 1
        raise InputError(f"parent, residue {place}: a stop codon; expected it at the end only")
    if length_nt % CODON:
        raise InputError(f"length_nt: {length_nt}; expected a multiple of 3, whole codons")
    last = first - 1 + length_nt // CODON
    if last > len(protein):
        told = f"the region ends at residue {last}"
        raise InputError(f"first_residue, length_nt: {told}; expected at most {len(protein)}")
    return Region(text, first, length_nt // CODON)


def translated(dna: str) -> str:
    """Residues of whole codons of A, C, G and T.

    >>> translated("ATGGCTTAA")
    'MA*'
    """
    return "".join(RESIDUE_OF[dna[at : at + CODON]] for at in range(0, len(dna), CODON))


def name_of(residues: str, region: Region) -> str:
    """A variant's name, from the residues of the stretch.

    >>> name_of("KV", Region("ATGAAAGCT", 2, 2))
    'A3V'
    """
    pairs = zip(region.residues, residues, strict=True)
    changes = [
        f"{old}{place}{new}" for place, (old, new) in enumerate(pairs, region.first) if old != new
    ]
    return JOINT.join(changes) or WILD_TYPE


def substitutions(name: str) -> tuple[tuple[str, int, str], ...]:
    """Old residue, 1-based place in the protein and new residue of each substitution.

    >>> substitutions("A3V/K12*")
    (('A', 3, 'V'), ('K', 12, '*'))
    """
    if name == WILD_TYPE:
        return ()
    return tuple((one[0], int(one[1:-1]), one[-1]) for one in name.split(JOINT))


def sequence_of(name: str, protein: str) -> str:
    """The whole protein of a variant, up to its first stop."""
    residues = list(protein)
    for _, place, new in substitutions(name):
        residues[place - 1] = new
    return "".join(residues).split(STOP, 1)[0]
