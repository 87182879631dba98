"""Which positions of the parent matter, by what substitutions there do."""

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from tasks.variants.region import Region, substitutions

GAIN, SENSITIVE, TOLERANT, UNMEASURED, OUTSIDE = (
    "gain", "sensitive", "tolerant", "unmeasured", "outside the domains",
)  # fmt: skip
Span = tuple[str, Sequence[tuple[int, int]]]
"""Class of a domain and its stretches, 0-based and half-open."""
RISK = 0.05
"""Of a single substitution among all that is called better than the wild type and is not."""


def position_table(effects: pd.DataFrame, region: Region, domains: Sequence[Span]) -> pd.DataFrame:
    """A row for each position of the region.

    Args:
        effects: As `additive_effects` gives them.
        region: Which positions.
        domains: Of the parent; without any, nothing is outside of them.

    Returns:
        `position` (1-based), `wild_type`, `domain` ("" where there is none), `measured` (number
        of substitutions), `mean_effect`, `best` (substitution), `best_effect`, `best_lower` (its
        lower bound, which holds for all substitutions together with 95 %: Bonferroni) and `kind`:

            gain        the best substitution is better than the wild type, by that bound
            sensitive   the mean effect is below -1: half is lost in each round
            tolerant    neither
            unmeasured, outside the domains
    """
    places = [substitutions(name)[0][1] for name in effects["substitution"]]
    width = NormalDist().inv_cdf(1 - RISK / 2 / max(len(effects), 1))
    known = effects.assign(position=places, lower=effects["effect"] - width * effects["error"])
    rows = []
    for position, residue in enumerate(region.residues, region.first):
        own = known[known["position"] == position]
        domain = _domain_at(position - 1, domains)
        best = own.sort_values("lower").iloc[-1] if len(own) else None
        mean = float(own["effect"].mean()) if len(own) else np.nan
        rows.append(
            {
                "position": position,
                "wild_type": residue,
                "domain": domain,
                "measured": len(own),
                "mean_effect": mean,
                "best": "" if best is None else str(best["substitution"]),
                "best_effect": np.nan if best is None else float(best["effect"]),
                "best_lower": np.nan if best is None else float(best["lower"]),
                "kind": _kind(mean, best, outside=bool(domains) and not domain),
            }
        )
    return pd.DataFrame(rows)


def _domain_at(place: int, domains: Sequence[Span]) -> str:
    """Class of the domain that holds a 0-based place."""
    for name, stretches in domains:
        if any(start <= place < end for start, end in stretches):
            return name
    return ""


def _kind(mean: float, best: "pd.Series[Any] | None", *, outside: bool) -> str:
    if outside:
        return OUTSIDE
    if best is None:
        return UNMEASURED
    if best["lower"] > 0:
        return GAIN
    return SENSITIVE if mean < -1 else TOLERANT
