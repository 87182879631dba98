"""What confidences mean, as tables for the page: measured on truth, and expected of this batch."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tasks.domains.calibration import Calibration

EDGES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)


def measured_frame(calibration: Calibration) -> pd.DataFrame:
    """The share of domains that were right, by the score that the evidence gave them."""
    first = {share: score for score, share in reversed(calibration.knots)}
    rows = sorted((score, share) for share, score in first.items())
    return pd.DataFrame(rows, columns=["score from", "share right, less its error: the confidence"])


def expected_frame(confidences: Sequence[float]) -> pd.DataFrame:
    """Domains of a batch by confidence, and how many of them are expected to be right."""
    values = np.asarray(confidences, float)
    places = np.clip(np.digitize(values, EDGES) - 1, 0, len(EDGES) - 2)
    rows = [
        {
            "confidence": f"{EDGES[place]:g} to {EDGES[place + 1]:g}",
            "domains": int((places == place).sum()),
            "expected right": round(float(values[places == place].sum())),
        }
        for place in reversed(range(len(EDGES) - 1))
        if (places == place).any()
    ]
    return pd.DataFrame(rows, columns=["confidence", "domains", "expected right"])


def measured_note(calibration: Calibration) -> str:
    """Where the measured shares come from."""
    told = calibration.provenance
    return (
        f"Measured on {told.get('chains', 'known proteins')}. Right: {told.get('right', '')}. "
        f"Confidence: {told.get('confidence', '')}."
    )
