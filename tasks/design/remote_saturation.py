"""All single mutants of a parent, scored by a model of a service."""

import math
from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, model_validator

from blocks.errors import InputError
from tasks.design.mutagenesis import SaturateParams, saturate
from tasks.design.profile import ALPHABET
from tasks.design.remote_model import NOTES, Item, RemoteModel, RemoteSettings
from tasks.design.structure_text import field_text
from tasks.design.variants import ChangeableParams, Residues, checked_parent

CHUNK = 8_192
"""Items asked at once; of their answers only the score is kept."""
SHOWN = 10
"""Keys of an answer that a message names."""


class BiolmSaturate(ChangeableParams, RemoteSettings):
    """All single mutants of the parent, scored by a model of BioLM."""

    kind: Literal["biolm_saturate"] = "biolm_saturate"
    key: str = Field(
        min_length=1,
        max_length=200,
        title="Score key",
        description="where the score stands in an answer, with dots: melting_temperature, "
        "results.0.ddg; `value` where the answer is the number itself",
    )
    best: Literal["highest", "lowest"] = Field(
        "highest", title="Best", description="which scores are better; decides what `top` keeps"
    )
    top: int | None = Field(
        None, ge=1, title="Top", description="only so many, best score first; empty: all"
    )
    relative: bool = Field(
        False, title="Relative", description="score minus the parent's own, which is asked once"
    )
    alphabet: Residues = Field(
        ALPHABET, title="Residues", description="one-letter codes of the residues to try"
    )
    item_form: Literal["sequence", "mutation"] = Field(
        "sequence",
        title="Asked as",
        description="sequence: the mutant; mutation: a structure and `A3G`",
    )
    structure: str = Field(
        "",
        max_length=2_000,
        title="Structure",
        description="path or URI of a PDB or mmCIF file of the parent; for mutations",
    )
    item_field: str = Field(
        "pdb",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,39}$",
        title="Structure field",
        description="name of the structure in an item; PDB is sent unless it holds `cif`",
    )
    chain: str = Field(
        "A", pattern=r"^\w{0,4}$", title="Chain", description="of the structure; empty: not sent"
    )
    first_residue: int = Field(
        1,
        ge=-10_000,
        le=100_000,
        title="First residue",
        description="number that the parent's first residue has in the structure",
    )

    @model_validator(mode="after")
    def _asked_one_way(self) -> "BiolmSaturate":
        if self.item_form == "mutation" and not self.structure:
            raise ValueError("structure: empty; expected a file, since mutations are asked of one")
        if self.item_form == "sequence" and self.structure:
            raise ValueError("structure: given; expected `item_form: mutation` with it")
        if self.item_form == "mutation" and self.relative:
            raise ValueError("relative: true; expected false, as the parent is no mutation")
        return self


def saturate_remotely(
    params: BiolmSaturate, parent: str, model: RemoteModel, structure: str | None = None
) -> pd.DataFrame:
    """All single mutants of `parent` that got a score, by position and residue, or the `top` best.

    Args:
        params: What is asked, and of which model.
        parent: One chain.
        model: Scores the mutants.
        structure: Text of the file `params.structure`.

    Returns:
        The columns of every generator, and `position` (1-based), `wild_type`, `mutant`. Equal
        scores stand by position and residue. `attrs[NOTES]`: how many have no score, and why.

    Raises:
        InputError: Parent, structure or settings do not fit; no answer has the key.
    """
    parent = checked_parent(parent)
    found = _mutants(params, parent)
    items = _items(params, found, structure)
    own: list[Item] = [{"sequence": parent}] if params.relative else []
    scores, reasons = _scores(params, model, [*own, *items])
    notes = []
    if own:
        if np.isnan(scores[0]):
            raise InputError(f"parent: no score to compare with: {reasons[0]}")
        notes.append(f"{params.model}: the parent's own {params.key} is {scores[0]:g}")
        scores, reasons = scores[1:] - scores[0], {i - 1: why for i, why in reasons.items()}
    if reasons:
        first = min(reasons)
        notes.append(
            f"{params.model}: {len(reasons)} of {len(found)} mutants have no score; the first, "
            f"{found['mutations'].iloc[first]}: {reasons[first]}"
        )
    found = found.assign(score=scores).loc[~np.isnan(scores)]
    if params.top is not None:
        upwards = params.best == "lowest"
        found = found.sort_values("score", ascending=upwards, kind="stable").head(params.top)
    found = found.reset_index(drop=True)
    found.attrs[NOTES] = notes
    return found


def _mutants(params: BiolmSaturate, parent: str) -> pd.DataFrame:
    """The columns of the result, without scores."""
    plain = SaturateParams(
        positions=params.positions,
        conserved=params.conserved,
        alphabet=params.alphabet,
        scoring="matrix",
    )
    found = saturate(plain, parent, None).drop(columns=["log_odds", "substitution_score"])
    if found.empty:
        raise InputError("alphabet: no mutant of the parent; expected other residues to try")
    return found.assign(method=pd.Series([params.kind] * len(found), dtype="str"))


def _items(params: BiolmSaturate, mutants: pd.DataFrame, structure: str | None) -> list[Item]:
    """What is sent for each mutant, in order."""
    if params.item_form == "sequence":
        return [{"sequence": text} for text in mutants["sequence"]]
    if structure is None:
        raise InputError(f"generator {params.kind!r}: no structure; expected the parent's")
    same = {params.item_field: field_text(structure, params.item_field)}
    if params.chain:
        same["chain"] = params.chain
    places = (mutants["position"] + params.first_residue - 1).tolist()
    rows = zip(mutants["wild_type"], places, mutants["mutant"], strict=True)
    return [{**same, "mutations": [f"{old}{place}{new}"]} for old, place, new in rows]


def _scores(
    params: BiolmSaturate, model: RemoteModel, items: list[Item]
) -> tuple[NDArray[np.float64], dict[int, str]]:
    """Score of each item, NaN where there is none; its place -> why.

    The first item is asked alone: a wrong key should not cost thousands of answers.
    """
    scores = np.full(len(items), np.nan)
    reasons: dict[int, str] = {}
    for start, end in _pieces(len(items)):
        answers, faults = model.ask(items[start:end])
        for place, answer in enumerate(answers):
            value = None if place in faults else _number(answer, params.key)
            if value is not None:
                scores[start + place] = value
            elif place in faults or answer is None:
                reasons[start + place] = faults.get(place, "no answer")
            else:
                reasons[start + place] = _no_number(answer, params.key)
        if start == 0 and not faults and answers[0] is not None and reasons:
            raise InputError(reasons[0])
    if len(reasons) == len(items):
        raise InputError(f"none of {len(items)} items got a score; the first: {reasons[0]}")
    return scores, reasons


def _pieces(count: int) -> Iterator[tuple[int, int]]:
    yield 0, 1
    for start in range(1, count, CHUNK):
        yield start, min(start + CHUNK, count)


def _at(answer: object, key: str) -> object:
    """What stands at a dotted path; None where nothing does."""
    if key == "value" and not isinstance(answer, Mapping | list):
        return answer
    found = answer
    for part in key.split("."):
        if isinstance(found, Mapping):
            found = found.get(part)
        elif isinstance(found, list) and part.isdecimal() and int(part) < len(found):
            found = found[int(part)]
        else:
            return None
    return found


def _number(answer: object, key: str) -> float | None:
    found = _at(answer, key)
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    try:
        value = float(found)
    except OverflowError:  # JSON has integers of any size
        return None
    return value if math.isfinite(value) else None


def _no_number(answer: object, key: str) -> str:
    """Why an answer gives no score, in one line."""
    found = _at(answer, key)
    if found is None and isinstance(answer, Mapping) and key not in answer:
        keys = ", ".join(sorted(map(str, answer))[:SHOWN]) or "none"
        return f"key {key!r}: not in the answer; expected one of its keys: {keys}"
    return f"key {key!r}: {type(found).__name__}; expected a finite number"
