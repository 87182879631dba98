"""Probabilities from measured properties: scorecards, read from a table that was fitted to truth.

A scorecard is a logistic model whose inputs are cut into bins: each property adds the points of
the bin it falls in, the sum is a log-odds.  It can be read by eye, needs no library, and takes
microseconds.  Between neighbouring bins the fit penalises steps, so that thinly filled bins follow
their neighbours.

The table in use is `calibration.json`; its first entry says from which data and by which command
it was made.
"""

import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import exp
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

TABLE = Path(__file__).with_name("calibration.json")


@dataclass(frozen=True, slots=True)
class Scorecard:
    """Points by bin of each property."""

    intercept: float
    """Log-odds with no points."""
    names: tuple[str, ...]
    edges: tuple[tuple[float, ...], ...]
    """Lower edges of all bins but the first, one tuple per property."""
    points: tuple[tuple[float, ...], ...]
    """Log-odds of each bin; one more than edges."""

    def log_odds(self, values: Sequence[float]) -> float:
        """Sum of the points of each value's bin; `values` in the order of `names`."""
        total = self.intercept
        for at, points in zip(map(bisect_right, self.edges, values), self.points, strict=True):
            total += points[at]
        return total

    def probability(self, values: Sequence[float]) -> float:
        """The same as a probability."""
        return 1 / (1 + exp(-self.log_odds(values)))

    def probabilities(self, values: NDArray[np.float64]) -> list[float]:
        """The probability of each row of values, shape (n, names)."""
        total = np.full(len(values), self.intercept)
        for column, edges, points in zip(values.T, self.edges, self.points, strict=True):
            total += np.array(points)[np.searchsorted(edges, column, side="right")]
        return [1 / (1 + exp(-one)) for one in total.tolist()]  # numpy's exp differs by processor


@dataclass(frozen=True, slots=True)
class Calibration:
    """All that was fitted."""

    provenance: Mapping[str, object]
    cards: Mapping[str, Scorecard]
    knots: tuple[tuple[float, float], ...]
    """Probability by the card of domains, and the share of domains right there; ascending."""

    def calibrated(self, probability: float) -> float:
        """The probability moved to what was measured, linear between the knots."""
        knots = self.knots
        at = bisect_right(knots, (probability, 2.0))
        if at == 0:
            return knots[0][1] if knots else probability
        if at == len(knots):
            return knots[-1][1]
        (x0, y0), (x1, y1) = knots[at - 1], knots[at]
        return y0 + (y1 - y0) * (probability - x0) / (x1 - x0)


@cache
def read_calibration(path: Path = TABLE) -> Calibration:
    """The table at that path."""
    table = json.loads(path.read_text(encoding="ascii"))
    cards = {
        name: Scorecard(
            card["intercept"],
            tuple(one["property"] for one in card["properties"]),
            tuple(tuple(one["edges"]) for one in card["properties"]),
            tuple(tuple(one["points"]) for one in card["properties"]),
        )
        for name, card in table["cards"].items()
    }
    return Calibration(table["provenance"], cards, tuple(map(tuple, table["knots"])))


def write_calibration(calibration: Calibration, path: Path) -> None:
    """Write the table, one property a line."""
    cards = []
    for name, card in calibration.cards.items():
        lines = ",\n".join(
            "    " + json.dumps({"property": one, "edges": edges, "points": points})
            for one, edges, points in zip(card.names, card.edges, card.points, strict=True)
        )
        head = f'  {json.dumps(name)}: {{"intercept": {card.intercept}, "properties": [\n'
        cards.append(f"{head}{lines}\n  ]}}")
    provenance = json.dumps(calibration.provenance, indent=1)
    joined = ",\n".join(cards)
    text = f'{{"provenance": {provenance},\n"cards": {{\n{joined}\n}},\n'
    path.write_text(f'{text}"knots": {json.dumps(calibration.knots)}}}\n', encoding="ascii")


def fit_scorecard(
    values: NDArray[np.float64],
    right: NDArray[np.bool_],
    edges: Mapping[str, Sequence[float]],
    weights: NDArray[np.float64] | None = None,
    steps: float = 0.1,
) -> Scorecard:
    """The scorecard most likely to have made `right` from `values`.

    Args:
        values: Shape (n, properties), in the order of `edges`.
        right: Shape (n,).
        edges: Property -> lower edges of all bins but the first.
        weights: Of the rows, shape (n,); None: all the same.
        steps: Larger allows larger steps between neighbouring bins (inverse of the L2 penalty).
    """
    from sklearn.linear_model import LogisticRegression

    passed = [
        values[:, [column]] >= np.array(bounds)[None, :]
        for column, bounds in enumerate(edges.values())
    ]
    model = LogisticRegression(C=steps, max_iter=2_000)
    model.fit(np.hstack(passed).astype(float), right, sample_weight=weights)
    found, points, at = model.coef_[0], [], 0
    for bounds in edges.values():
        climbed = np.cumsum(found[at : at + len(bounds)])
        points.append((0.0, *(round(float(one), 3) for one in climbed)))
        at += len(bounds)
    return Scorecard(
        round(float(model.intercept_[0]), 3),
        tuple(edges),
        tuple(tuple(map(float, bounds)) for bounds in edges.values()),
        tuple(points),
    )


def fit_knots(
    probabilities: NDArray[np.float64], right: NDArray[np.bool_], per_knot: int = 100
) -> tuple[tuple[float, float], ...]:
    """Never-falling share of right ones against probability, as knots for `calibrated`.

    Each share is less its standard error: as many as that are right even if the group was lucky.
    """
    from sklearn.isotonic import IsotonicRegression

    order = np.argsort(probabilities, kind="stable")
    groups = np.array_split(order, max(len(order) // per_knot, 2))
    x = np.array([probabilities[group].mean() for group in groups])
    y = IsotonicRegression().fit_transform(x, np.array([right[group].mean() for group in groups]))
    error = np.sqrt(y * (1 - y) / np.array([len(group) for group in groups]))
    cautious = np.maximum.accumulate(np.maximum(y - error, 0.0))
    knots: dict[float, float] = {}
    for at, share in zip(x, cautious, strict=True):
        knots[round(float(at), 4)] = round(float(share), 4)
    return tuple(knots.items())
