"""Masked resampling: hide some residues of a parent, and draw them anew from a model's view."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from blocks.errors import InputError
from tasks.design.profile import ALPHABET
from tasks.design.residue_models import (
    Mask,
    ResidueModel,
    cumulated,
    is_shared,
    log_softmax,
    sampled,
)
from tasks.design.variants import (
    BATCH,
    ChangeableParams,
    Codes,
    Sweep,
    changeable,
    changed_sum,
    checked_parent,
    decode,
    draw_distinct,
    encode,
    variant_table,
)

Strategy = Literal["random", "low_confidence", "blocks"]
Preset = Literal["conservative", "moderate", "aggressive", "none"]


@dataclass(frozen=True, slots=True)
class Strength:
    """How much of a parent a variant loses."""

    mask_fraction: float
    iterations: int
    temperature: float


PRESETS: dict[Preset, Strength] = {
    "conservative": Strength(0.10, 3, 0.5),
    "moderate": Strength(0.15, 5, 1.0),
    "aggressive": Strength(0.25, 10, 1.5),
    "none": Strength(0.15, 1, 1.0),
}


class ResampleSettings(ChangeableParams):
    """How residues are hidden and drawn, whatever model is asked."""

    kind: str
    count: int = Field(
        1_000, ge=1, le=1_000_000, title="Count", description="distinct variants wanted"
    )
    preset: Preset = Field(
        "moderate",
        title="Preset",
        description="mask fraction, iterations and temperature where those are left empty: "
        "conservative 0.10, 3, 0.5; moderate 0.15, 5, 1.0; aggressive 0.25, 10, 1.5; "
        "none 0.15, 1, 1.0",
    )
    mask_fraction: float | None = Field(
        None,
        gt=0,
        le=1,
        title="Mask fraction",
        description="share of the changeable positions hidden at each iteration; empty: preset's",
    )
    iterations: int | None = Field(
        None, ge=1, le=100, title="Iterations", description="of hiding and drawing; empty: preset's"
    )
    temperature: Sweep = Field(
        None,
        title="Temperature",
        description="above 0, up to 100; several: the count is divided over them; empty: preset's",
    )
    strategy: Strategy = Field(
        "random",
        title="Strategy",
        description="random positions; low_confidence: where the model likes the residue least; "
        "blocks: contiguous windows",
    )
    block_size: int = Field(
        5, ge=1, le=1_000, title="Block size", description="length of a window [residues]"
    )
    top_k: int = Field(
        0, ge=0, le=20, title="Top k", description="draw from the k likeliest residues; 0: all"
    )
    top_p: float = Field(
        1.0,
        gt=0,
        le=1,
        title="Top p",
        description="draw from the likeliest residues that together reach this probability",
    )

    def strength(self, temperature: float) -> Strength:
        """What holds at one temperature of the sweep: own values before the preset's."""
        preset = PRESETS[self.preset]
        fraction = preset.mask_fraction if self.mask_fraction is None else self.mask_fraction
        return Strength(fraction, self.iterations or preset.iterations, temperature)

    def temperatures(self) -> tuple[float, ...]:
        """The sweep, which often has one value only."""
        if self.temperature is None:
            return (PRESETS[self.preset].temperature,)
        return self.temperature if isinstance(self.temperature, tuple) else (self.temperature,)


class ResampleParams(ResampleSettings):
    """Masked resampling of the parent."""

    kind: Literal["resample"] = "resample"


@dataclass(slots=True)
class _Batch:
    """A model that is asked about one batch; a row that it failed for is not asked again."""

    model: ResidueModel
    alive: NDArray[np.bool_]

    def logits(self, codes: Codes, masks: Mask) -> NDArray[np.float64]:
        """As `ResidueModel` gives them; 0 in rows that failed, so that others draw as ever."""
        if self.alive.all():
            found = self.model.logits(decode(codes), masks)
        else:
            found = np.full((*codes.shape, len(ALPHABET)), np.nan)
            if self.alive.any():
                found[self.alive] = self.model.logits(decode(codes[self.alive]), masks[self.alive])
        failed = np.isnan(found[:, 0, 0])
        if failed.any():
            self.alive = self.alive & ~failed
            found = np.where(failed[:, None, None], 0.0, found)
        return found


def resample(
    params: ResampleSettings,
    parent: str,
    model: ResidueModel,
    rng: np.random.Generator,
    most: int = BATCH,
) -> pd.DataFrame:
    """Distinct variants of `parent`, drawn from `model` at hidden positions.

    Args:
        params: What is hidden, and how residues are drawn.
        parent: One chain.
        model: Judges the residues; a variant that it fails for (NaN in its row) is given up, and
            another one drawn.
        rng: Draws the same numbers whatever fails.
        most: Variants in one call to the model; bounds the memory.

    Returns:
        The columns of every generator, and `confidence`: mean probability that the model gave
        to the residues it drew, when it drew them. `score` is the sum over the mutations of
        log p(new) - log p(parent's) [nats] in the context of the parent.

    Source:
        Score: "wild-type marginals" of Meier et al. 2021, doi:10.1101/2021.07.09.450648.
    """
    parent = checked_parent(parent)
    places = changeable(params, len(parent))
    if params.strategy == "blocks" and params.block_size > len(parent):
        raise InputError(
            f"block_size: {params.block_size}; expected at most {len(parent)}, the parent's length"
        )
    reference = log_softmax(model.logits([parent], np.zeros((1, len(parent)), dtype=bool))[0])
    temperatures = params.temperatures()
    known = {parent}
    tables = []
    for nth, temperature in enumerate(temperatures):
        share = (params.count - nth + len(temperatures) - 1) // len(temperatures)
        if not share:
            break

        def draw(
            size: int, temperature: float = temperature
        ) -> tuple[list[str], dict[str, NDArray[np.float64]]]:
            parts = [
                _draw(
                    params,
                    encode([parent] * min(most, size - start)),
                    temperature=temperature,
                    places=places,
                    model=model,
                    rng=rng,
                )
                for start in range(0, size, most)
            ]
            sequences = [text for made, _ in parts for text in made]
            return sequences, {"confidence": np.concatenate([each for _, each in parts])}

        rows = draw_distinct(draw, share, known)
        known |= set(rows["sequence"])
        score = changed_sum(encode(rows["sequence"].tolist()), encode([parent])[0], reference)
        tables.append(variant_table(rows, parent, params.kind, temperature, score))
    return pd.concat(tables, ignore_index=True)


def _draw(
    params: ResampleSettings,
    codes: Codes,
    *,
    temperature: float,
    places: NDArray[np.int64],
    model: ResidueModel,
    rng: np.random.Generator,
) -> tuple[list[str], NDArray[np.float64]]:
    """Variants of one batch, repeats among them, and their confidence.

    Returns:
        One for each row of `codes` that the model did not fail for, in order.
    """
    batch = _Batch(model, np.ones(len(codes), dtype=bool))
    strength = params.strength(temperature)
    probability = np.zeros(codes.shape)
    touched = np.zeros(codes.shape, dtype=bool)
    for _ in range(strength.iterations):
        masks = _masks(
            params, codes, fraction=strength.mask_fraction, places=places, batch=batch, rng=rng
        )
        logits = batch.logits(codes, masks)
        rows, columns = np.nonzero(masks)
        views, view = logits[0], columns
        if not is_shared(logits):
            views, view = logits[rows, columns], np.arange(len(rows))
        ends = cumulated(views, temperature, params.top_k, params.top_p)
        drawn = sampled(ends[view], rng)
        codes = codes.copy()
        codes[rows, columns] = drawn
        probability[rows, columns] = np.exp(log_softmax(views))[view, drawn]
        touched |= masks
    confidence = probability.sum(axis=1) / touched.sum(axis=1)
    return decode(codes[batch.alive]), confidence[batch.alive]


def _masks(
    params: ResampleSettings,
    codes: Codes,
    *,
    fraction: float,
    places: NDArray[np.int64],
    batch: _Batch,
    rng: np.random.Generator,
) -> Mask:
    """Which residues to hide; at least one in each row, only changeable ones."""
    hidden = max(1, round(fraction * len(places)))
    masks = np.zeros(codes.shape, dtype=bool)
    match params.strategy:
        case "random":
            order = rng.random((len(codes), len(places)))
            chosen = np.argpartition(order, hidden - 1, axis=1)[:, :hidden]
        case "low_confidence":
            logits = batch.logits(codes, np.zeros_like(masks))
            known = log_softmax(logits[:1] if is_shared(logits) else logits)
            nth = 0 if is_shared(logits) else np.arange(len(codes))[:, None]
            order = known[nth, places, codes[:, places]]
            # Stable, so that equal confidence is settled by position.
            chosen = np.argsort(order, axis=1, kind="stable")[:, :hidden]
        case "blocks":
            return _blocks(codes.shape, places, params.block_size, hidden, rng)
    np.put_along_axis(masks, places[chosen], values=True, axis=1)
    return masks


def _blocks(
    shape: tuple[int, int],
    places: NDArray[np.int64],
    size: int,
    hidden: int,
    rng: np.random.Generator,
) -> Mask:
    """Windows of `size` that do not overlap, as many as make up `hidden` positions."""
    count, length = shape
    opened = np.zeros(length, dtype=bool)
    opened[places] = True
    inside = np.convolve(opened, np.ones(size, dtype=np.int64), mode="valid") > 0
    starts = np.arange(length - size + 1)
    masks = np.zeros(shape, dtype=bool)
    order = np.where(inside, rng.random((count, len(starts))), -1.0)
    for _ in range(max(1, round(hidden / size))):
        first = np.argmax(order, axis=1)
        free = order[np.arange(count), first] >= 0
        order[np.abs(starts - first[:, None]) < size] = -1.0
        offset = np.arange(length) - first[:, None]
        masks |= (offset >= 0) & (offset < size) & free[:, None]
    return masks & opened
