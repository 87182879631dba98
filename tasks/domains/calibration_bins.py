"""How often domains of a confidence were right where the truth is known, for the page."""

import pandas as pd


def calibration_table() -> tuple[pd.DataFrame, str]:
    """Rows of bins of confidence and the share that was right, and where they come from."""
    return pd.DataFrame(columns=["confidence", "domains", "right"]), ""
