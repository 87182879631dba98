"""What single substitutions do, from variants that may have several of them.

Scores are taken as sums of the effects of their substitutions, and these are found by least squares
with a normal prior around zero (ridge regression). Variants with a stop say nothing of it.
"""

import numpy as np
import pandas as pd

from tasks.variants.region import JOINT, STOP, WILD_TYPE

PRIOR_SD = 1.0
"""Of an effect [log2 per round]: substitutions measured badly are drawn towards none."""


def additive_effects(variants: pd.DataFrame) -> pd.DataFrame:
    """Effects of the substitutions that occur in scored variants.

    Args:
        variants: Columns `variant`, `score`, `error`; rows without a score are left out.

    Returns:
        `substitution`, `effect` and `error` [log2 per round], and `variants` (how many hold it),
        the best first.
    """
    known = variants[
        variants["score"].notna()
        & (variants["variant"] != WILD_TYPE)
        & ~variants["variant"].str.contains(STOP, regex=False)
    ]
    held = [name.split(JOINT) for name in known["variant"]]
    names = sorted({one for each in held for one in each})
    place = {name: at for at, name in enumerate(names)}
    design = np.zeros((len(held), len(names)))
    for row, each in enumerate(held):
        design[row, [place[one] for one in each]] = 1.0
    weight = 1 / known["error"].to_numpy() ** 2
    precision = design.T @ (weight[:, None] * design) + np.eye(len(names)) / PRIOR_SD**2
    covariance = np.linalg.inv(precision)
    effect = covariance @ (design.T @ (weight * known["score"].to_numpy()))
    frame = pd.DataFrame(
        {
            "substitution": pd.Series(names, dtype=str),
            "effect": effect,
            "error": np.sqrt(np.diagonal(covariance)),
            "variants": design.sum(axis=0).astype(np.int64),
        }
    )
    return frame.sort_values(["effect", "substitution"], ascending=[False, True], ignore_index=True)
