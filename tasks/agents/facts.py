"""All that the agents found out as one long table, a fact in each row."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

FACT_COLUMNS = ("agent", "table", "row", "field", "what", "value", "text")
"""row: from 1, missing for facts about a whole column; value: a number, or missing."""
_FIGURES = ("values", "missing", "distinct", "mean", "sd", "min", "q25", "median", "q75", "max")


def fact_rows(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The facts of `FACT_COLUMNS`, agent by agent."""
    empty = pd.DataFrame(columns=list(FACT_COLUMNS))
    parts = [
        _mentions(frames.get("entities", empty)),
        _figures(frames.get("column_figures", empty)),
        _oddities(frames.get("anomalies", empty)),
        _broken(frames.get("violations", empty)),
    ]
    found = pd.concat([one for one in parts if len(one)] or [empty], ignore_index=True)
    types = {**dict.fromkeys(FACT_COLUMNS, "str"), "row": "Int64", "value": "float64"}
    return found[list(FACT_COLUMNS)].astype(types)


def _mentions(frame: pd.DataFrame) -> pd.DataFrame:
    if frame.empty:
        return frame
    return frame.rename(columns={"kind": "what"}).assign(agent="extract", value=np.nan)


def _figures(frame: pd.DataFrame) -> pd.DataFrame:
    if frame.empty:
        return frame
    keys = ["table", "column", "kind"]
    long = frame.melt(keys, list(_FIGURES), "what", "value").dropna(subset="value")
    long = long.rename(columns={"column": "field", "kind": "text"})
    return long.assign(agent="analyse", row=np.nan)


def _oddities(frame: pd.DataFrame) -> pd.DataFrame:
    if frame.empty:
        return frame
    names = {"column": "field", "anomaly": "what", "rows": "value", "detail": "text"}
    return frame.rename(columns=names).assign(agent="analyse", row=np.nan)


def _broken(frame: pd.DataFrame) -> pd.DataFrame:
    if frame.empty:
        return frame
    told = "expected " + frame["expected"].astype(str)
    return frame.assign(agent="validate", what=told, text=frame["value"], value=np.nan)
