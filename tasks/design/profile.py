"""Profile HMMs of protein families: built from homologs, and read position by position.

The alignment of unaligned homologs is made by the profile itself: a model of one homolog aligns
all of them, the model of that alignment aligns them again, until nothing moves any more.
"""

import io
import string
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, cast

import numpy as np
import pyhmmer
from numpy.typing import NDArray
from pyhmmer.easel import (
    MSA,
    Alphabet,
    DigitalSequence,
    DigitalSequenceBlock,
    TextMSA,
    TextSequence,
)
from pyhmmer.errors import AlphabetMismatch
from pyhmmer.plan7 import HMM, Background, Builder, HMMFile, TraceAligner

from blocks.errors import InputError, InputProblems, Problem

if TYPE_CHECKING:
    from pyhmmer.easel import AA  # known to pyhmmer's stubs only

ALPHABET = "ACDEFGHIKLMNPQRSTVWY"
"""Order of all residue columns in the project."""
AMBIGUOUS = "BJZOUX"
"""Letters that a homolog may hold besides the 20; HMMER spreads their counts."""
ROUNDS = 3
"""Most times that homologs are realigned to the profile of their own alignment."""
_GAPS = "-."
_TO_DASH = str.maketrans(string.ascii_lowercase + ".", string.ascii_uppercase + "-")


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile HMM and the alignment it was built from."""

    hmm: bytes
    """HMMER3 ASCII text of one profile HMM."""
    alignment: str
    """Aligned FASTA of the homologs it was built from; upper case, gaps are `-`."""
    effective_sequences: float
    """How many independent sequences HMMER counted."""


def build_profile(homologs: Sequence[tuple[str, str]], name: str = "profile") -> Profile:
    """A profile HMM of (id, sequence) pairs; the same homologs give the same bytes.

    Args:
        homologs: Aligned if any holds a gap (`-` or `.`), then all of equal length and used as
            they are; otherwise they are aligned here.
        name: Name of the model; white space becomes `_`.

    Raises:
        InputError: Fewer than two homologs, letters that are no amino acids, empty records,
            gaps in records of unequal length, or nothing in common to build a model of.

    Source:
        HMMER 3.4, `hmmbuild` with its defaults; `hmmalign` for unaligned homologs.
    """
    records = [(" ".join(id_.split()), text.translate(_TO_DASH)) for id_, text in homologs]
    _check(records)
    rows = [text for _, text in records]
    try:
        if not any("-" in row for row in rows):
            rows = _aligned(rows)
        hmm = _model(rows, "_".join(name.split()) or "profile")
    except ValueError as error:
        raise InputError(f"homologs: no profile could be built of them: {error}") from error
    file = io.BytesIO()
    hmm.write(file)
    fasta = "".join(f">{id_}\n{row}\n" for (id_, _), row in zip(records, rows, strict=True))
    return Profile(file.getvalue(), fasta, float(hmm.nseq_effective or 0.0))


def load_hmm(profile: Profile) -> "HMM[AA]":
    """The model as pyhmmer's object; a new one at each call."""
    try:
        with HMMFile(io.BytesIO(profile.hmm), alphabet=Alphabet.amino()) as file:
            hmm = file.read()
    except (ValueError, EOFError, AlphabetMismatch) as error:
        raise InputError(f"profile: not a HMMER3 model of proteins: {error}") from error
    if hmm is None:
        raise InputError("profile: no model in it; expected one HMMER3 profile HMM")
    return hmm


def match_states(profile: Profile, sequence: str) -> NDArray[np.int64]:
    """The 0-based match state that each residue aligns to, -1 for insertions.

    Returns:
        int64 of shape (len(sequence),); entries that are not -1 increase strictly.

    Raises:
        InputError: The sequence is empty or holds something that is no amino acid.

    Source:
        HMMER 3.4, `hmmalign` (optimal accuracy alignment).
    """
    faults = _letter_problems("sequence", sequence.upper())
    if faults:
        raise InputError(str(faults[0]))
    hmm = _model_of_text(profile.hmm)
    block = DigitalSequenceBlock(hmm.alphabet, [_digital(hmm.alphabet, "query", sequence)])
    aligner = TraceAligner()
    traces = aligner.compute_traces(hmm, block)
    msa = aligner.align_traces(hmm, block, traces, all_consensus_cols=True)
    # Columns of match states carry `x` in the reference line; a residue is anything but a gap.
    is_match = np.array(list(msa.reference or "")) == "x"
    has_residue = ~np.isin(list(_rows(msa)[0]), list(_GAPS))
    state = np.where(is_match, np.cumsum(is_match) - 1, -1)
    return np.asarray(state[has_residue], dtype=np.int64)


def residue_probabilities(profile: Profile, sequence: str) -> NDArray[np.float64]:
    """Probabilities of the 20 residues at each position of `sequence`, in the family's view.

    Returns:
        float64 of shape (len(sequence), 20), columns as in `ALPHABET`, rows add up to 1: emissions
        of the match state a residue aligns to, HMMER's background where it is an insertion.

    Raises:
        InputError: As `match_states`.
    """
    hmm = _model_of_text(profile.hmm)
    background = np.array(Background(hmm.alphabet).residue_frequencies, dtype=np.float64)
    # Row 0 of HMMER's table is the begin state; taking -1 from below puts background there.
    emissions = hmm.match_emissions  # type: ignore[attr-defined]  # missing in the stubs
    table = np.array(emissions, dtype=np.float64)
    table[0] = background
    table /= table.sum(axis=1, keepdims=True)
    return np.asarray(table[match_states(profile, sequence) + 1])


@lru_cache(maxsize=8)
def _model_of_text(hmm: bytes) -> "HMM[AA]":
    """The model, parsed once for many sequences; never handed out, as it can be changed."""
    return load_hmm(Profile(hmm, "", 0.0))


def _aligned(sequences: list[str]) -> list[str]:
    """Aligned rows of unaligned sequences, by realigning to their own profile until it stands."""
    alphabet = Alphabet.amino()
    block = DigitalSequenceBlock(
        alphabet, [_digital(alphabet, str(number), text) for number, text in enumerate(sequences)]
    )
    by_length = sorted(range(len(sequences)), key=lambda i: (len(sequences[i]), sequences[i]))
    seed = block[by_length[len(by_length) // 2]]
    hmm, _, _ = Builder(alphabet).build(seed, Background(alphabet))
    rows: list[str] = []
    for _ in range(ROUNDS):
        msa = pyhmmer.hmmer.hmmalign(hmm, block, cpus=1)  # type: ignore[arg-type]  # invariant
        realigned = [row.translate(_TO_DASH) for row in _rows(msa)]
        if realigned == rows:
            break
        rows = realigned
        hmm = _model(rows, "round")
    return rows


def _model(rows: Sequence[str], name: str) -> "HMM[AA]":
    """HMMER's model of aligned rows, without date and command line."""
    alphabet = Alphabet.amino()
    members = [TextSequence(name=str(i), sequence=row) for i, row in enumerate(rows)]
    msa = TextMSA(name=name, sequences=members).digitize(alphabet)
    hmm, _, _ = Builder(alphabet).build_msa(msa, Background(alphabet))
    hmm.creation_time = None
    hmm.command_line = None
    return hmm


def _rows(msa: MSA) -> list[str]:
    return list(cast(TextMSA, msa).alignment)


def _digital(alphabet: "AA", name: str, text: str) -> "DigitalSequence[AA]":
    return TextSequence(name=name, sequence=text).digitize(alphabet)


def _check(records: Sequence[tuple[str, str]]) -> None:
    """Raise with all that is wrong with homologs in upper case with `-` for gaps."""
    if len(records) < 2:  # noqa: PLR2004 -- the smallest family
        raise InputError(f"homologs: {len(records)} given; expected at least 2 for a profile")
    problems: list[Problem] = []
    for number, (id_, text) in enumerate(records, 1):
        where = f"homolog {number} ({id_})"
        residues = text.replace("-", "")
        problems += _letter_problems(where, text if residues else "", "-")
    width = len(records[0][1])
    if any("-" in text for _, text in records):
        problems += [
            Problem(
                f"homolog {number} ({id_})",
                f"{len(text)} columns, where homolog 1 has {width}, and gaps in the set",
                "rows of equal length (an alignment) or no gaps at all",
            )
            for number, (id_, text) in enumerate(records, 1)
            if len(text) != width
        ]
    if problems:
        raise InputProblems(problems)


def _letter_problems(where: str, text: str, gaps: str = "") -> list[Problem]:
    """Whether `text` is empty, or the first letter in it that is no amino acid."""
    if not text:
        return [Problem(where, "no residues", "a protein sequence")]
    allowed = set(ALPHABET + AMBIGUOUS + gaps)
    wrong = next((place for place, letter in enumerate(text, 1) if letter not in allowed), None)
    if wrong is None:
        return []
    return [Problem(f"{where}, position {wrong}", repr(text[wrong - 1]), "an amino acid letter")]
