"""What a review will do, and all that can be wrong with it before it begins."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from tasks.agents.model import ReviewParams
from tasks.agents.outcome import SourceRef
from tasks.agents.sources import read_records, sources_of
from tasks.agents.stored import table_of
from tasks.agents.table_data import TableData
from tasks.agents.validation import require_known
from tasks.dag import order, plan_text
from tasks.model_connections import named_connections

GRAPH = {
    "read": [],
    "extract": ["read"],
    "transform": ["read"],
    "analyse": ["read"],
    "validate": ["read"],
    "synthesise": ["extract", "transform", "analyse", "validate"],
    "performance": ["synthesise"],
}
"""The agents, and what each waits for."""
DOES = {
    "read": "reads {tables} tables",
    "extract": "entities with their places, structure, most telling sentences",
    "transform": "names, blanks, numbers, dates and units made uniform",
    "analyse": "figures of columns, anomalies",
    "validate": "{rules} rules, completeness, consistency",
    "synthesise": "a cited summary; every number looked up in the tables",
    "performance": "times of this run and of {runs} earlier ones at most",
}
ASKS = ("extract", "synthesise")
"""Agents that a language model helps."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A review that can begin."""

    params: ReviewParams
    title: str
    sources: tuple[SourceRef, ...]

    @property
    def told(self) -> str:
        """The plan as text."""
        return plan_text(GRAPH, "agent")


def prepare(params: ReviewParams) -> Prepared:
    """A review with all its sources found.

    Raises:
        InputError: A file, a run or the language model is not there.
    """
    sources = tuple(sources_of(params))
    if params.model.connection:
        named_connections([params.model.connection])
    parts = (f"{one.pipeline} run" if one.pipeline else one.name for one in sources)
    names = ", ".join(dict.fromkeys(parts))
    return Prepared(params, params.title or f"Review of {names}", sources)


def read_all(run: Prepared) -> dict[str, TableData]:
    """All tables, read and checked against the rules.

    Raises:
        InputError: One is malformed, or a rule names what is not there.
    """
    params = run.params
    tables = {
        one.name: table_of(one, read_records(one, params.records, params.generated))
        for one in run.sources
    }
    require_known(params.rules, tables)
    return tables


def plan_frame(run: Prepared, rows: Mapping[str, int]) -> pd.DataFrame:
    """A row for each source, then one for each agent.

    Args:
        rows: Of each source; none where they are not known yet.
    """
    params = run.params
    told = {
        "tables": len(run.sources),
        "rules": len(params.rules),
        "runs": params.performance.runs,
    }
    found = [
        {
            "agent": "read",
            "needs": "",
            "does": f"{one.name}: {one.origin}",
            "rows": f"{rows[one.name]:,}" if one.name in rows else "",
            "by": one.kind or "parameters",
        }
        for one in run.sources
    ]
    for name in order(GRAPH)[1:]:
        model = params.model.connection if name in ASKS else ""
        if name == "extract" and not params.extract.ask_for:
            model = ""
        found.append(
            {
                "agent": name,
                "needs": ", ".join(GRAPH[name]),
                "does": DOES[name].format(**told),
                "rows": "",
                "by": model or "offline",
            }
        )
    return pd.DataFrame(found)
