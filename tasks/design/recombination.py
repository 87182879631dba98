"""New sequences from a family: crossovers between its aligned members, and emission by its HMM."""

from io import StringIO
from typing import Literal

import numpy as np
import pandas as pd
from Bio.SeqIO.FastaIO import SimpleFastaParser
from numpy.typing import NDArray
from pydantic import Field, model_validator
from pyhmmer.easel import Randomness

from blocks.errors import InputError
from tasks.design.profile import ALPHABET, Profile, load_hmm
from tasks.design.variants import Codes, checked_parent, draw_distinct, encode, variant_table
from tasks.parameters import Params


class RecombineParams(Params):
    """Sequences put together from segments of aligned homologs."""

    kind: Literal["recombine"] = "recombine"
    count: int = Field(
        1_000, ge=1, le=1_000_000, title="Count", description="distinct variants wanted"
    )
    crossovers: int = Field(
        2, ge=1, le=50, title="Crossovers", description="changes of the homolog per variant"
    )
    min_segment: int = Field(
        10, ge=1, title="Shortest segment", description="between crossovers [alignment columns]"
    )


class EmitParams(Params):
    """Sequences drawn from the profile HMM."""

    kind: Literal["emit"] = "emit"
    count: int = Field(
        1_000, ge=1, le=1_000_000, title="Count", description="distinct variants wanted"
    )
    min_length: int = Field(1, ge=1, title="Shortest", description="length [residues]")
    max_length: int = Field(10_000, ge=1, title="Longest", description="length [residues]")

    @model_validator(mode="after")
    def _ordered(self) -> "EmitParams":
        if self.min_length > self.max_length:
            raise ValueError(
                f"min_length: {self.min_length}; expected at most max_length, {self.max_length}"
            )
        return self


def recombine(
    params: RecombineParams, profile: Profile, parent: str | None, rng: np.random.Generator
) -> pd.DataFrame:
    """Distinct recombinants of the profile's homologs; none is one of the homologs themselves.

    Neighbouring segments are of different homologs. Homologs with letters beyond the 20 take
    no part.

    Returns:
        The columns of every generator, and `parents` (ids, by segment, joined by ";") and
        `crossovers` (1-based alignment column where each segment but the first begins).

    Raises:
        InputError: Fewer than two homologs, or too few columns for the segments.
    """
    ids, codes = _homologs(profile)
    width, segments = codes.shape[1], params.crossovers + 1
    slack = width - segments * params.min_segment
    if slack < 0:
        raise InputError(
            f"min_segment: {segments} segments of {params.min_segment} columns; expected at most "
            f"the {width} of the alignment"
        )

    def draw(size: int) -> tuple[list[str], dict[str, NDArray[np.object_]]]:
        starts = _starts(size, params, slack, rng)
        chosen = _members(size, segments, len(ids), rng)
        segment = (np.arange(width) >= starts[:, :, None]).sum(axis=1)
        mixed = codes[np.take_along_axis(chosen, segment, axis=1), np.arange(width)]
        parents = [";".join(ids[i] for i in row) for row in chosen.tolist()]
        columns = ["/".join(str(start + 1) for start in row) for row in starts.tolist()]
        own = {"parents": np.array(parents, object), "crossovers": np.array(columns, object)}
        return _ungapped(mixed), own

    wild_type = checked_parent(parent) if parent else None
    known = {*_ungapped(codes), "", *([wild_type] if wild_type else [])}
    rows = draw_distinct(draw, params.count, known)
    return variant_table(rows, wild_type, params.kind)


def emit(
    params: EmitParams, profile: Profile, parent: str | None, rng: np.random.Generator
) -> pd.DataFrame:
    """Distinct sequences of the profile HMM with a length in bounds.

    Source:
        HMMER 3.4, `hmmemit`: the core model, one path for each sequence.
    """
    hmm = load_hmm(profile)
    source = Randomness(int(rng.integers(1, 2**32)), fast=False)
    wild_type = checked_parent(parent) if parent else None

    def draw(size: int) -> tuple[list[str], dict[str, NDArray[np.float64]]]:
        emitted = (hmm.emit_sequence(source).textize().sequence for _ in range(size))
        fitting = [text for text in emitted if params.min_length <= len(text) <= params.max_length]
        return fitting, {}

    rows = draw_distinct(draw, params.count, {wild_type} if wild_type else set())
    return variant_table(rows, wild_type, params.kind)


def _homologs(profile: Profile) -> tuple[list[str], Codes]:
    """Ids and codes of the aligned homologs, -1 for gaps; those with other letters left out."""
    allowed = set(ALPHABET + "-")
    entries = SimpleFastaParser(StringIO(profile.alignment))  # type: ignore[no-untyped-call]
    records = [(title, row) for title, row in entries if allowed.issuperset(row)]
    if len({row for _, row in records}) < 2:  # noqa: PLR2004 -- one has nobody to recombine with
        raise InputError(
            "profile: fewer than 2 different homologs without ambiguous letters; "
            "expected some to recombine"
        )
    return [title for title, _ in records], encode([row for _, row in records])


def _ungapped(codes: Codes) -> list[str]:
    """Sequences of aligned rows, without their gaps."""
    letters = np.frombuffer(f"{ALPHABET}-".encode(), dtype=np.uint8)
    text = np.ascontiguousarray(letters[codes]).view(f"S{codes.shape[1]}").ravel()
    return [str(row).replace("-", "") for row in text.astype(str).tolist()]


def _starts(
    size: int, params: RecombineParams, slack: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """0-based columns where segments but the first begin; every choice is equally likely."""
    # Choosing k distinct numbers out of slack + k is choosing how the spare columns are shared.
    number = params.crossovers
    order = np.argsort(rng.random((size, slack + number)), axis=1)[:, :number]
    spare = np.sort(order, axis=1) - np.arange(number)
    return np.asarray(spare + params.min_segment * np.arange(1, number + 1))


def _members(
    size: int, segments: int, homologs: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Which homolog each segment is of; never the same twice in a row."""
    step = rng.integers(1, homologs, (size, segments))
    step[:, 0] = rng.integers(0, homologs, size)
    return np.asarray(np.cumsum(step, axis=1) % homologs)
