"""A variant library with known truth, and the reads of its rounds of selection.

Every substitution of the region has an effect; a few planted ones are gains, the others are mostly
losses. Effects of a variant add up to its fitness: in each round it is multiplied by 2^fitness,
relative to the wild type. Cells that survive and reads of them are drawn from multinomial
distributions; each base of a read is wrong with the probability that its quality says.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from tasks.parameters import Params
from tasks.variants.region import (
    CODON,
    JOINT,
    RESIDUE_OF,
    STOP,
    WILD_TYPE,
    Region,
    region_of,
    substitutions,
)

RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
CODONS: dict[str, list[str]] = {
    residue: sorted(codon for codon, one in RESIDUE_OF.items() if one == residue)
    for residue in RESIDUES
}
BASES = np.frombuffer(b"ACGT", np.uint8)
PLANTED_EFFECTS = (0.9, 1.6)
"""Of gains [log2 per round], uniform."""
LOSS_SHARE, LOSS_MEAN, LOSS_SD, NEUTRAL_SD = 0.55, -1.2, 0.6, 0.15
"""Of all other substitutions: this share loses, normal and below zero; the rest does little."""
DOUBLES_SHARE = 0.25
WILD_TYPE_SHARE = 0.1
ABUNDANCE_SD = 0.4
"""Of the logarithm of a variant's share before selection."""
BEST_QUALITY, WORST_QUALITY, QUALITY_SD, LOWEST = 38.0, 33.0, 2.0, 2
"""Phred scores at the first and the last base, their noise, and the lowest of all."""
PHRED = 33


class LibraryParams(Params):
    """A library to simulate."""

    protein: str = Field(
        title="Protein", description="FASTA with the parent among its records", min_length=1
    )
    protein_id: str = Field("", title="Record", description="its id; empty: the first")
    first_residue: int = Field(
        31, ge=1, title="First residue", description="where the mutated region begins, 1-based"
    )
    length_nt: int = Field(
        120, ge=6, le=300, title="Length", description="of the region, whole codons [nt]"
    )
    flank: str = Field(
        "GATTACAGCCGTTCAGGA",
        pattern=r"^[ACGT]+$",
        title="Flank",
        description="bases before the region, with which each read begins",
    )
    variants: int = Field(
        300, ge=20, le=5_000, title="Variants", description="in the library, without the wild type"
    )
    planted: int = Field(8, ge=1, le=50, title="Planted", description="single variants that gain")
    rounds: int = Field(2, ge=1, le=6, title="Rounds", description="of selection")
    replicates: int = Field(3, ge=1, le=6, title="Replicates", description="of the experiment")
    cells: int = Field(
        200_000, ge=1_000, le=10**9, title="Cells", description="that go into each round"
    )
    reads: int = Field(
        20_000, ge=100, le=10**7, title="Reads", description="of each replicate and round"
    )
    seed: int = Field(1, ge=0, lt=2**63, title="Seed", description="same seed, same bytes")


@dataclass(frozen=True, slots=True)
class Library:
    """What is planted, and what is in the tube."""

    region: Region
    effects: pd.DataFrame
    """`substitution`, `effect`, `planted`: all substitutions of the region."""
    variants: pd.DataFrame
    """`variant`, `fitness`, `planted`, `share`: the wild type first."""
    texts: NDArray[np.uint8]
    """Bases of the region, a row for each variant."""


def library_of(params: LibraryParams, protein: str, rng: np.random.Generator) -> Library:
    """The truth, drawn.

    Raises:
        InputError: The region does not lie in the protein.
    """
    coding = "".join(rng.choice(CODONS[residue]) for residue in protein)
    region = region_of(coding, params.first_residue, params.length_nt)
    effects = _effects(region, params.planted, rng)
    names = _members(effects, params, rng)
    by_name = effects.set_index("substitution")
    parts = [[] if name == WILD_TYPE else name.split(JOINT) for name in names]
    variants = pd.DataFrame(
        {
            "variant": names,
            "fitness": [float(by_name["effect"].reindex(one).sum()) for one in parts],
            "planted": [len(one) == 1 and bool(by_name.loc[one[0], "planted"]) for one in parts],
            "share": _shares(len(names), rng),
        }
    )
    return Library(region, effects, variants, _texts(names, region, rng))


def _effects(region: Region, planted: int, rng: np.random.Generator) -> pd.DataFrame:
    """Effects of all substitutions; gains are at different positions."""
    rows = [
        (f"{old}{place}{new}", place)
        for place, old in enumerate(region.residues, region.first)
        for new in RESIDUES
        if new != old
    ]
    count = len(rows)
    loses = rng.random(count) < LOSS_SHARE
    losses = -np.abs(rng.normal(LOSS_MEAN, LOSS_SD, count))
    effect = np.where(loses, losses, rng.normal(0, NEUTRAL_SD, count))
    frame = pd.DataFrame(rows, columns=["substitution", "place"])
    chosen = frame.sample(frac=1, random_state=rng).drop_duplicates("place").head(planted).index
    gains = np.isin(np.arange(count), chosen)
    effect[gains] = rng.uniform(*PLANTED_EFFECTS, int(gains.sum()))
    return frame.assign(effect=effect, planted=gains).drop(columns="place")


def _members(effects: pd.DataFrame, params: LibraryParams, rng: np.random.Generator) -> list[str]:
    """Names of the variants: the wild type, all that is planted, other singles, and doubles."""
    planted = effects.loc[effects["planted"], "substitution"].tolist()
    others = effects.loc[~effects["planted"], "substitution"].to_numpy()
    rest = max(params.variants - len(planted), 0)
    singles = min(len(others), rest - int(rest * DOUBLES_SHARE))
    chosen = rng.choice(others, singles, replace=False).tolist()
    doubles: dict[str, None] = {}
    while len(doubles) < rest - singles:
        one, two = rng.choice(chosen, 2, replace=False)
        (_, first, _), (_, second, _) = substitutions(f"{one}{JOINT}{two}")
        if first != second:
            doubles[f"{one}{JOINT}{two}" if first < second else f"{two}{JOINT}{one}"] = None
    return [WILD_TYPE, *planted, *chosen, *doubles]


def _shares(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Shares of the tube before selection; they add up to 1."""
    weight = np.exp(rng.normal(0, ABUNDANCE_SD, count))
    weight[0] = weight[1:].sum() * WILD_TYPE_SHARE / (1 - WILD_TYPE_SHARE)
    return np.asarray(weight / weight.sum())


def _texts(names: list[str], region: Region, rng: np.random.Generator) -> NDArray[np.uint8]:
    rows = []
    for name in names:
        codons = [region.dna[at : at + CODON] for at in range(0, len(region.dna), CODON)]
        for _, place, new in substitutions(name):
            codons[place - region.first] = str(rng.choice(CODONS[new]))
        rows.append("".join(codons))
    return np.frombuffer("".join(rows).encode(), np.uint8).reshape(len(names), -1)


def rounds_of(
    library: Library, params: LibraryParams, rng: np.random.Generator
) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Each round of one replicate, the one before selection first: number, reads by variant."""
    fitness = library.variants["fitness"].to_numpy()
    share = library.variants["share"].to_numpy()
    for number in range(params.rounds + 1):
        cells = rng.multinomial(params.cells, share)
        yield number, rng.multinomial(params.reads, cells / cells.sum())
        grown = cells * 2.0**fitness
        share = grown / grown.sum()


def fastq(
    library: Library, counts: NDArray[np.int64], flank: str, rng: np.random.Generator
) -> bytes:
    """Reads of the variants, in random order, with errors as their qualities tell."""
    order = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    lead = np.frombuffer(flank.encode(), np.uint8)
    bases = np.hstack([np.tile(lead, (len(order), 1)), library.texts[order]])
    width = bases.shape[1]
    level = np.linspace(BEST_QUALITY, WORST_QUALITY, width)
    noise = rng.normal(0, QUALITY_SD, bases.shape).round()
    quality = np.clip(level.round() + noise, LOWEST, 41)
    wrong = rng.random(bases.shape) < 10.0 ** (-quality / 10)
    shift = rng.integers(1, 4, int(wrong.sum()))
    place = np.searchsorted(BASES, bases[wrong])
    bases[wrong] = BASES[(place + shift) % 4]
    digits = np.arange(len(order))[:, None] // 10 ** np.arange(7, -1, -1) % 10
    columns: list[bytes | NDArray[Any]]
    columns = [b"@", digits + ord("0"), b"\n", bases, b"\n+\n", quality + PHRED, b"\n"]
    return np.hstack([_column(one, len(order)) for one in columns]).tobytes()


def _column(given: bytes | NDArray[Any], rows: int) -> NDArray[np.uint8]:
    """Bytes of each record: the same for all, or a row of an array for each."""
    if isinstance(given, bytes):
        return np.tile(np.frombuffer(given, np.uint8), (rows, 1))
    return given.astype(np.uint8)


def protein_fault(protein: str) -> str:
    """What keeps a protein from being a parent; "" if nothing does."""
    wrong = sorted(set(protein) - set(RESIDUES) - {STOP})
    return f"letter {wrong[0]!r}; expected the 20 residues" if wrong else ""
