"""Reports as one HTML page that asks nothing of the network."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from tasks.reads.configuration import Configuration
from tasks.reads.report_files import accounting
from tasks.reads.results import EngineResult
from tasks.report.page import Section, key_numbers, page
from tasks.report.svg import joined
from tasks.report.tables import data_table

MOST_ROWS = 1_000


def report_page(
    configuration: Configuration, result: EngineResult, content: Mapping[str, Any]
) -> str:
    """The page of a run: where the molecules went, then each report."""
    sections = [
        Section("Molecules", "molecules", _molecules(result)),
        *(
            Section(f"Report {name}", f"report-{number}", joined(list(_report(content[name]))))
            for number, name in enumerate(content["report_order"], start=1)
        ),
        Section("Steps", "steps", _steps(result)),
        Section("Configuration", "configuration",
                Markup("<pre>{}</pre>").format(configuration.text)),
    ]  # fmt: skip
    segments = ", ".join(configuration.segments)
    subtitle = f"{configuration.output.prefix}: {result.molecules_in:,} molecules of {segments}"
    return page("Reads", subtitle, sections)


def _molecules(result: EngineResult) -> Markup:
    told = accounting(result)
    numbers = {"in": told["molecules_in"], "out": told["molecules_out"]}
    return joined([key_numbers(numbers), *_table(told["steps"], "molecules by step")])


def _steps(result: EngineResult) -> Markup:
    rows = [
        {
            "step": stage.name,
            "molecules": stage.molecules_in,
            "wall [s]": stage.wall,
            "CPU [s]": stage.cpu,
        }
        for stage in result.stages
    ]
    return joined(list(_table(rows, "time of each step")))


def _table(rows: Sequence[Mapping[str, Any]], label: str) -> Iterator[Markup]:
    if rows:
        yield data_table(pd.DataFrame(list(rows)), label=label, max_rows=MOST_ROWS)


def _report(report: Mapping[str, Any], title: str = "") -> Iterator[Markup]:
    """Numbers as tiles, lists and counts as tables, what is below as parts of their own."""
    if title:
        yield Markup("<h3>{}</h3>").format(title)
    numbers = {name: value for name, value in report.items() if isinstance(value, int | float)}
    if numbers:
        yield key_numbers(numbers)
    for name, value in report.items():
        below = f"{title} {name}".strip()
        if isinstance(value, Mapping) and _plain(value):
            pairs = [{name: str(key), "count": count} for key, count in value.items()]
            yield from _table(pairs, below)
        elif isinstance(value, Mapping) and value and all(map(_is_list, value.values())):
            yield from _columns(value, below)
        elif isinstance(value, Mapping):
            yield from _report(value, below)
        elif _is_list(value):
            yield from _columns({name: value}, below)


def _plain(value: Mapping[str, Any]) -> bool:
    return bool(value) and all(isinstance(one, int | float) for one in value.values())


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple | np.ndarray)


def _columns(columns: Mapping[str, Sequence[Any]], label: str) -> Iterator[Markup]:
    frame = pd.DataFrame({name: pd.Series(list(values)) for name, values in columns.items()})
    frame.insert(0, "position", np.arange(len(frame)))
    if len(frame):
        yield data_table(frame, label=label, max_rows=MOST_ROWS)
