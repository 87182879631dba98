"""What a check of an earlier run found."""

from collections.abc import Mapping, Sequence

import pandas as pd

from tasks.parameters import Record


class VerifyResult(Record):
    """What a run of `verify` returns when nothing differs."""

    folder: str
    samples: int


def verified_frame(found: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """A row for each difference, and one for each sample without any."""
    rows = [
        {"sample": sample, "same": not lines, "difference": line}
        for sample, lines in found.items()
        for line in (lines or [""])
    ]
    return pd.DataFrame(rows, columns=["sample", "same", "difference"])
