"""Enrichment of variants over rounds of selection, with standard errors, from counts of reads.

For a variant v and a round t with counts c, L(v, t) = log2((c_v + p) / (c_r + p)), where r is the
wild type or all variants and p the pseudocount. Its variance, from the counts alone, is
(1 / (c_v + p) + 1 / (c_r + p)) / ln(2)^2. The score of a replicate is the slope of L over the
rounds, by least squares weighted with 1 / variance: [log2 per round]; with two rounds that is the
difference of the two. Replicates are put together with a variance between them.

Sources:
    Scores and variances: Rubin et al. 2017 (Enrich2), doi:10.1186/s13059-017-1272-5, where the
    logarithm is natural, and the slope's error comes from the residuals; here it comes from the
    counts, as in Faure et al. 2020 (DiMSum), doi:10.1186/s13059-020-02091-3, since three rounds
    leave one degree of freedom.
    Replicates: DerSimonian & Laird 1986, doi:10.1016/0197-2456(86)90046-2.
"""

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Counts = NDArray[np.int64]


def log_ratios(counts: Counts, reference: Counts, pseudocount: float) -> tuple[Numbers, Numbers]:
    """log2 of each count over the reference's, and the variance of it.

    Args:
        counts: Shape (variants, rounds).
        reference: Shape (rounds,).
        pseudocount: Added to all counts.

    Returns:
        Two arrays of the shape of `counts`, [log2] and [log2 squared].
    """
    own, other = counts + pseudocount, reference + pseudocount
    variance = (1 / own + 1 / other) / np.log(2) ** 2
    return np.log2(own / other), variance


def slopes(values: Numbers, variances: Numbers, rounds: Numbers) -> tuple[Numbers, Numbers]:
    """Slope over the rounds of each row, by weighted least squares, and its standard error.

    Args:
        values: Shape (variants, rounds).
        variances: Shape (variants, rounds), positive.
        rounds: Shape (rounds,), at least two different ones.

    Returns:
        Two arrays of shape (variants,).
    """
    weight = 1 / variances
    middle = (weight * rounds).sum(axis=1, keepdims=True) / weight.sum(axis=1, keepdims=True)
    away = rounds - middle
    spread = (weight * away**2).sum(axis=1)
    return (weight * away * values).sum(axis=1) / spread, 1 / np.sqrt(spread)


def combined(scores: Numbers, errors: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Mean over replicates with a random effect for each.

    Args:
        scores: Shape (variants, replicates); NaN where a replicate has none.
        errors: Their standard errors, NaN likewise.

    Returns:
        Mean, its standard error, and the standard deviation between replicates beyond what the
        errors explain; each of shape (variants,), NaN where no replicate has a score.
    """
    there = np.isfinite(scores)
    number = there.sum(axis=1)
    values = np.where(there, scores, 0.0)
    weight = np.where(there, 1 / np.where(there, errors, 1.0) ** 2, 0.0)
    total = weight.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (weight * values).sum(axis=1) / total
        excess = (weight * (values - mean[:, None]) ** 2).sum(axis=1) - (number - 1)
        scale = total - (weight**2).sum(axis=1) / total
        between = np.where(number > 1, np.maximum(0.0, excess / scale), 0.0)
        inner = np.where(there, 1 / (1 / weight + between[:, None]), 0.0)
        whole = inner.sum(axis=1)
        mean = (inner * values).sum(axis=1) / whole
        error = 1 / np.sqrt(whole)
    none = number == 0
    return (
        np.where(none, np.nan, mean),
        np.where(none, np.nan, error),
        np.where(none, np.nan, np.sqrt(between)),
    )
