"""The table of scored variants, from counts of all samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from blocks.errors import InputError
from tasks.variants.enrichment import Counts, Numbers, combined, log_ratios, slopes
from tasks.variants.region import WILD_TYPE, Region, sequence_of, substitutions

Reference = Literal["wild_type", "all"]
WIDTH_95 = 1.959964
"""Standard errors on both sides of the mean that hold 95 % of a normal distribution."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Where a sample stands in the experiment."""

    name: str
    round: int
    """0: before selection."""
    replicate: int


def check_samples(samples: Sequence[Sample]) -> None:
    """Whether each replicate has the same rounds, two at least, and each once.

    Raises:
        InputError: With the replicate that has not.
    """
    rounds: dict[int, list[int]] = {}
    for one in samples:
        rounds.setdefault(one.replicate, []).append(one.round)
    for replicate, found in rounds.items():
        told = f"samples: replicate {replicate} has the rounds {sorted(found)}"
        if len(set(found)) < len(found):
            raise InputError(f"{told}; expected each once")
        if len(found) < 2:  # noqa: PLR2004 -- before and after
            raise InputError(f"{told}; expected at least two, before and after selection")
        if sorted(found) != sorted(rounds[samples[0].replicate]):
            first = sorted(rounds[samples[0].replicate])
            raise InputError(f"{told}; expected {first}, as of replicate {samples[0].replicate}")


def count_table(samples: Sequence[Sample], counts: Mapping[str, Mapping[str, int]]) -> pd.DataFrame:
    """A row for each variant, a column for each sample; the wild type first, then by reads.

    Args:
        samples: In the order of the columns.
        counts: Sample -> variant -> reads.
    """
    table = pd.DataFrame({one.name: pd.Series(counts[one.name], dtype="int64") for one in samples})
    table = table.fillna(0).astype(np.int64)
    if WILD_TYPE not in table.index:
        table.loc[WILD_TYPE] = 0
    keys = pd.DataFrame({"other": table.index != WILD_TYPE, "reads": -table.sum(axis=1)})
    order = keys.assign(name=table.index).sort_values(["other", "reads", "name"]).index
    return table.loc[order].rename_axis("variant")


def scored(
    table: pd.DataFrame,
    samples: Sequence[Sample],
    region: Region,
    *,
    min_count: int,
    pseudocount: float,
    reference: Reference,
) -> pd.DataFrame:
    """All variants with their scores, the best first.

    Args:
        table: As `count_table` makes it.
        samples: Its columns.
        region: Names and sequences come from it.
        min_count: Reads that a variant must have before selection; a replicate with fewer of them
            gives it no score.
        pseudocount: Added to all counts.
        reference: What counts are divided by.

    Returns:
        One row per variant, by `lower`, then by name:

            variant, substitutions, sequence (whole protein), score [log2 per round], error (its
            standard error), lower and upper (95 %), between (standard deviation between
            replicates), replicates (with a score), count_first, count_last (reads of all
            replicates), reason ("" or why there is no score), rank (1 is the best; 0: no score)

        Those without a score stand at the end.

    Raises:
        InputError: The wild type, which all are compared with, has too few reads in a sample.
    """
    replicates = sorted({one.replicate for one in samples})
    scores, errors = np.full((2, len(table), len(replicates)), np.nan)
    first, last = np.zeros((2, len(table)), np.int64)
    for column, replicate in enumerate(replicates):
        own = sorted((s for s in samples if s.replicate == replicate), key=lambda s: s.round)
        counts = table[[one.name for one in own]].to_numpy(np.int64)
        found = _replicate(counts, own, reference, pseudocount, min_count)
        enough = counts[:, 0] >= min_count
        scores[enough, column], errors[enough, column] = found[0][enough], found[1][enough]
        first, last = first + counts[:, 0], last + counts[:, -1]
    mean, error, between = combined(scores, errors)
    names = table.index.tolist()
    frame = pd.DataFrame(
        {
            "variant": names,
            "substitutions": [len(substitutions(name)) for name in names],
            "sequence": [sequence_of(name, region.protein) for name in names],
            "score": mean,
            "error": error,
            "lower": mean - WIDTH_95 * error,
            "upper": mean + WIDTH_95 * error,
            "between": between,
            "replicates": np.isfinite(scores).sum(axis=1),
            "count_first": first,
            "count_last": last,
        }
    )
    missing = f"fewer than {min_count} reads before selection"
    frame["reason"] = np.where(frame["score"].isna(), missing, "")
    frame = frame.sort_values(["lower", "variant"], ascending=[False, True], ignore_index=True)
    frame["rank"] = np.where(frame["score"].isna(), 0, np.arange(1, len(frame) + 1))
    return frame


def _replicate(
    counts: Counts, samples: Sequence[Sample], reference: Reference, pseudocount: float, least: int
) -> tuple[Numbers, Numbers]:
    """Scores and errors of one replicate; the wild type stands in the first row."""
    against = counts[0] if reference == "wild_type" else counts.sum(axis=0)
    if against.min() < least:
        few = samples[int(against.argmin())].name
        told = f"sample {few}: {against.min()} reads of the {reference.replace('_', ' ')}"
        raise InputError(f"{told}; expected at least min_count, {least}, or another reference")
    values, variances = log_ratios(counts, against, pseudocount)
    return slopes(values, variances, np.array([one.round for one in samples], np.float64))
