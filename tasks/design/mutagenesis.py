"""Mutagenesis by substitution matrix: random variants of a parent, and all its single mutants."""

from typing import Literal

import numpy as np
import pandas as pd
from Bio.Align import substitution_matrices
from numpy.typing import NDArray
from pydantic import Field, model_validator

from blocks.errors import InputError
from tasks.design.profile import ALPHABET, Profile, residue_probabilities
from tasks.design.residue_models import cumulated, sampled
from tasks.design.variants import (
    ChangeableParams,
    Residues,
    changeable,
    changed_sum,
    checked_parent,
    decode,
    draw_distinct,
    encode,
    variant_table,
)

MatrixName = Literal[
    "BLOSUM45", "BLOSUM50", "BLOSUM62", "BLOSUM80", "BLOSUM90",
    "PAM30", "PAM70", "PAM250", "GONNET1992",
]  # fmt: skip


class MutateParams(ChangeableParams):
    """Random substitutions in the parent, likelier the more similar the residues are."""

    kind: Literal["mutate"] = "mutate"
    count: int = Field(
        1_000, ge=1, le=1_000_000, title="Count", description="distinct variants wanted"
    )
    matrix: MatrixName = Field(
        "BLOSUM62", title="Matrix", description="substitution scores, as Biopython has them"
    )
    min_mutations: int = Field(1, ge=1, title="Fewest mutations", description="per variant")
    max_mutations: int = Field(
        3, ge=1, title="Most mutations", description="per variant; each number is equally likely"
    )
    temperature: float = Field(
        1.0,
        gt=0,
        le=100,
        title="Temperature",
        description="of substitutions, in matrix units: probability ~ exp(score / temperature)",
    )

    @model_validator(mode="after")
    def _ordered(self) -> "MutateParams":
        if self.min_mutations > self.max_mutations:
            raise ValueError(
                f"min_mutations: {self.min_mutations}; expected at most max_mutations, "
                f"{self.max_mutations}"
            )
        return self


class SaturateParams(ChangeableParams):
    """All single mutants of the parent."""

    kind: Literal["saturate"] = "saturate"
    alphabet: Residues = Field(
        ALPHABET, title="Residues", description="one-letter codes of the residues to try"
    )
    scoring: Literal["profile", "matrix"] = Field(
        "profile", title="Score", description="profile: log-odds ratio; matrix: substitution score"
    )
    matrix: MatrixName = Field(
        "BLOSUM62", title="Matrix", description="substitution scores, as Biopython has them"
    )
    top: int | None = Field(
        None, ge=1, title="Top", description="only so many, best score first; empty: all"
    )


def substitution_scores(name: MatrixName) -> NDArray[np.float64]:
    """Scores of replacing a residue (row) by another (column), in the order of `ALPHABET`."""
    matrix = substitution_matrices.load(name)  # type: ignore[no-untyped-call]
    return np.array([[float(matrix[old, new]) for new in ALPHABET] for old in ALPHABET])


def mutate(params: MutateParams, parent: str, rng: np.random.Generator) -> pd.DataFrame:
    """Distinct variants of `parent` with a few substitutions each.

    Returns:
        The columns of every generator. `score` is what the mutations cost in the alignment to
        the parent: sum of score(parent's, new) - score(parent's, parent's), matrix units.

    Raises:
        InputError: Fewer positions may change than `min_mutations`.
    """
    parent = checked_parent(parent)
    places = changeable(params, len(parent))
    if params.min_mutations > len(places):
        raise InputError(
            f"min_mutations: {params.min_mutations}; expected at most {len(places)}, the number "
            f"of positions that may change"
        )
    most = min(params.max_mutations, len(places))
    matrix = substitution_scores(params.matrix)
    others = matrix.copy()
    np.fill_diagonal(others, -np.inf)
    ends = cumulated(others, params.temperature)
    before = encode([parent])[0]

    def draw(size: int) -> tuple[list[str], dict[str, NDArray[np.float64]]]:
        codes = np.repeat(before[None, :], size, axis=0)
        number = rng.integers(params.min_mutations, most + 1, size)
        order = rng.random((size, len(places))).argpartition(most - 1, axis=1)[:, :most]
        rows, nth = np.nonzero(np.arange(most) < number[:, None])
        columns = places[order[rows, nth]]
        codes[rows, columns] = sampled(ends[before[columns]], rng)
        return decode(codes), {}

    rows = draw_distinct(draw, params.count, {parent})
    score = changed_sum(encode(rows["sequence"].tolist()), before, matrix[before])
    return variant_table(rows, parent, params.kind, params.temperature, score)


def saturate(params: SaturateParams, parent: str, profile: Profile | None) -> pd.DataFrame:
    """All single mutants of `parent`, by position and residue, or the `top` best.

    Returns:
        The columns of every generator, and `position` (1-based), `wild_type`, `mutant`,
        `log_odds` (log p(mutant) - log p(wild type) in the profile [nats]; NaN without one) and
        `substitution_score` (entry of the matrix). `score` is `log_odds`, or with
        `scoring: matrix` what `mutate` gives; equal scores stand by position and residue.

    Raises:
        InputError: The profile is missing where it is what scores.
    """
    if params.scoring == "profile" and profile is None:
        raise InputError("generator 'saturate': no profile; expected one, or `scoring: matrix`")
    parent = checked_parent(parent)
    places = changeable(params, len(parent))
    before = encode([parent])[0]
    residues = np.sort(encode([params.alphabet])[0])
    columns, mutants = (grid.ravel() for grid in np.meshgrid(places, residues, indexing="ij"))
    other = mutants != before[columns]
    columns, mutants = columns[other], mutants[other]
    codes = np.repeat(before[None, :], len(columns), axis=0)
    codes[np.arange(len(columns)), columns] = mutants
    matrix = substitution_scores(params.matrix)
    log_odds = np.full(len(columns), np.nan)
    if profile is not None:
        table = np.log(residue_probabilities(profile, parent))
        log_odds = table[columns, mutants] - table[columns, before[columns]]
    letters = np.array(list(ALPHABET))
    rows = pd.DataFrame(
        {
            "sequence": pd.Series(decode(codes), dtype="str"),
            "position": columns + 1,
            "wild_type": pd.Series(letters[before[columns]].tolist(), dtype="str"),
            "mutant": pd.Series(letters[mutants].tolist(), dtype="str"),
            "log_odds": log_odds,
            "substitution_score": matrix[before[columns], mutants],
        }
    )
    score = log_odds
    if params.scoring == "matrix":
        score = changed_sum(codes, before, matrix[before])
    found = variant_table(rows, parent, params.kind, score=score)
    if params.top is None:
        return found
    best = found.sort_values("score", ascending=False, kind="stable").head(params.top)
    return best.reset_index(drop=True)
