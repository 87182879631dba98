"""Variants of a parent sequence: residue codes, places that may change, mutation strings.

Codes are indices into `ALPHABET`, int8 of shape (variants, length).
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence, Set
from typing import Annotated, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, model_validator

from blocks.errors import InputError
from tasks.design.profile import ALPHABET
from tasks.parameters import Params

Codes = NDArray[np.int8]
Draw = Callable[[int], tuple[list[str], dict[str, NDArray[Any]]]]
Position = Annotated[int, Field(ge=1)]

MAX_TEMPERATURE = 100.0


def _known_residues(given: str) -> str:
    text = given.upper()
    wrong = [letter for letter in text if letter not in ALPHABET]
    if wrong or not text or len(set(text)) < len(text):
        what = f"{wrong[0]!r}" if wrong else f"{given!r}"
        raise ValueError(f"alphabet: {what}; expected some of {ALPHABET}, each once")
    return text


def _in_range(given: float | tuple[float, ...] | None) -> float | tuple[float, ...] | None:
    sweep = given if isinstance(given, tuple) else () if given is None else (given,)
    if given == ():
        raise ValueError("temperature: an empty list; expected one value or several")
    wrong = [value for value in sweep if not 0 < value <= MAX_TEMPERATURE]
    if wrong:
        raise ValueError(f"temperature: {wrong[0]:g}; expected above 0 and up to 100")
    if len(set(sweep)) < len(sweep):
        raise ValueError("temperature: a value stands twice; expected different ones")
    return given


Residues = Annotated[str, AfterValidator(_known_residues)]
"""Some of the 20 residues, each once."""
Sweep = Annotated[float | tuple[float, ...] | None, AfterValidator(_in_range)]
"""One temperature or several; None: the default of whoever uses it."""

BATCH = 4_096
"""Variants drawn at once: bounds the memory, and is the batch that a residue model sees."""
ATTEMPTS = 20
"""Draws per wanted variant before a generator returns what it has, and ..."""
FEWEST_ATTEMPTS = 2_000
"""... the fewest draws before that."""
_LETTERS = np.frombuffer(ALPHABET.encode(), dtype=np.uint8)
_CODE_OF_BYTE = np.full(256, -1, dtype=np.int8)
_CODE_OF_BYTE[_LETTERS] = np.arange(len(ALPHABET), dtype=np.int8)


class ChangeableParams(Params):
    """Which positions of the parent may change."""

    positions: tuple[Position, ...] = Field(
        (), title="Positions", description="1-based positions that may change; empty: all"
    )
    conserved: tuple[Position, ...] = Field(
        (),
        title="Conserved positions",
        description="1-based positions that never change, even when listed in `positions`",
    )

    @model_validator(mode="after")
    def _something_may_change(self) -> "ChangeableParams":
        if self.positions and set(self.positions) <= set(self.conserved):
            raise ValueError("positions: all of them are conserved; expected one that is not")
        return self


def changeable(params: ChangeableParams, length: int) -> NDArray[np.int64]:
    """0-based positions that may change, in order.

    Raises:
        InputError: A position beyond the parent's end, or no position left.
    """
    for name, given in (("positions", params.positions), ("conserved", params.conserved)):
        beyond = sorted(place for place in given if place > length)
        if beyond:
            raise InputError(f"{name}: {beyond[0]}; expected at most {length}, the parent's length")
    chosen = set(params.positions) or set(range(1, length + 1))
    places = sorted(chosen - set(params.conserved))
    if not places:
        raise InputError(
            f"conserved: all {length} positions of the parent; expected some to change"
        )
    return np.array(places, dtype=np.int64) - 1


TRANSPORT = {"connection", "batch_size", "requests_per_second", "in_flight", "deadline_s"}
"""Settings that decide how a service is asked, but not what is made."""


def random_numbers(params: Params, seed: int) -> np.random.Generator:
    """Those of a generator with these settings; stages of one run draw different ones."""
    text = params.model_dump_json(exclude=TRANSPORT)
    digest = hashlib.sha256(text.encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "big")])


def checked_parent(parent: str) -> str:
    """The parent in upper case.

    Raises:
        InputError: It is empty or holds a letter that is not one of the 20.
    """
    text = parent.upper()
    if not text:
        raise InputError("parent: empty; expected a protein sequence")
    wrong = next((place for place, letter in enumerate(text, 1) if letter not in ALPHABET), None)
    if wrong is not None:
        raise InputError(
            f"parent, position {wrong}: {text[wrong - 1]!r}; expected one of the 20 amino acids"
        )
    return text


def encode(sequences: Sequence[str]) -> Codes:
    """Codes of sequences of one length, -1 for what is not one of the 20; shape (n, length)."""
    if not sequences:
        return np.empty((0, 0), dtype=np.int8)
    text = np.frombuffer("".join(sequences).encode("ascii", "replace"), dtype=np.uint8)
    return np.asarray(_CODE_OF_BYTE[text].reshape(len(sequences), -1))


def decode(codes: Codes) -> list[str]:
    """Sequences of codes."""
    count, length = codes.shape
    if not codes.size:
        return [""] * count
    text = np.ascontiguousarray(_LETTERS[codes]).view(f"S{length}")
    return [str(row) for row in text.ravel().astype(str).tolist()]


def mutation_strings(sequences: Sequence[str], parent: str | None) -> list[str]:
    """Substitutions against the parent as in `A12G/L45F`; "" where the lengths differ."""
    found = [""] * len(sequences)
    same = [i for i, text in enumerate(sequences) if parent and len(text) == len(parent)]
    if not same or parent is None:
        return found
    before = encode([parent])[0]
    after = encode([sequences[i] for i in same])
    names = np.array(
        [[f"{old}{place}{new}" for new in ALPHABET] for place, old in enumerate(parent, 1)],
        dtype=object,
    )
    rows, columns = np.nonzero(after != before)
    tokens = names[columns, after[rows, columns]].tolist()
    bounds = np.searchsorted(rows, np.arange(len(same) + 1)).tolist()
    for i, start, end in zip(same, bounds[:-1], bounds[1:], strict=True):
        found[i] = "/".join(tokens[start:end])
    return found


def changed_sum(codes: Codes, parent: Codes, table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum of `table[position, residue] - table[position, parent's residue]` per variant.

    Args:
        codes: Shape (n, length).
        parent: Shape (length,).
        table: Shape (length, 20).
    """
    places = np.arange(len(parent))
    relative = table - table[places, parent][:, None]
    total = np.zeros(len(codes))
    for start in range(0, len(codes), BATCH):
        part = codes[start : start + BATCH]
        total[start : start + BATCH] = relative[places, part].sum(axis=1)
    return total


def draw_distinct(draw: Draw, count: int, known: Set[str]) -> pd.DataFrame:
    """The first `count` distinct rows that `draw` gives.

    Args:
        draw: Takes a number, gives at most so many sequences and the columns that go with them.
        count: At least 1.
        known: Sequences that do not count, such as the parent.

    Returns:
        Column `sequence` and those of `draw`. Fewer than `count` rows where `ATTEMPTS` draws
        per wanted row (and at least `FEWEST_ATTEMPTS`) did not give more.
    """
    limit = max(ATTEMPTS * count, FEWEST_ATTEMPTS)
    seen = set(known)
    found: list[str] = []
    columns: list[dict[str, NDArray[Any]]] = []
    attempts = 0
    while len(found) < count and attempts < limit:
        missing = count - len(found)
        size = min(limit - attempts, drawn_at_first(missing))
        sequences, own = draw(size)
        attempts += size
        place = {text: i for i, text in reversed(list(enumerate(sequences))) if text not in seen}
        fresh = sorted(place.values())[:missing]
        new = [sequences[i] for i in fresh]
        seen.update(new)
        found += new
        columns.append({name: values[fresh] for name, values in own.items()})
    table = pd.DataFrame({"sequence": pd.Series(found, dtype="str")})
    for name in columns[0]:
        table[name] = np.concatenate([part[name] for part in columns])
    return table


def drawn_at_first(missing: int) -> int:
    """How many variants are drawn at once where so many distinct ones are missing."""
    return min(BATCH, missing + missing // 8 + 16)


def variant_table(
    rows: pd.DataFrame,
    parent: str | None,
    method: str,
    temperature: float = float("nan"),
    score: Iterable[float] | None = None,
) -> pd.DataFrame:
    """The columns every generator fills, then those of `rows` that are its own."""
    sequences = rows["sequence"].tolist()
    table = pd.DataFrame(
        {
            "sequence": pd.Series(sequences, dtype="str"),
            "method": pd.Series([method] * len(sequences), dtype="str"),
            "mutations": pd.Series(mutation_strings(sequences, parent), dtype="str"),
            "temperature": np.full(len(sequences), temperature),
            "score": np.full(len(sequences), np.nan) if score is None else np.asarray(score),
        }
    )
    own = [name for name in rows.columns if name not in table.columns]
    return pd.concat([table, rows[own].reset_index(drop=True)], axis=1)
