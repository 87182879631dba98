"""Reports as one HTML page that asks nothing of the network."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from tasks.reads.configuration import Configuration
from tasks.reads.report_files import accounting
from tasks.reads.results import EngineResult
from tasks.report.curves import curves
from tasks.report.number_text import plain_number
from tasks.report.page import Section, key_numbers, page
from tasks.report.svg import joined
from tasks.report.tables import data_table

MOST_ROWS = 1_000
LENGTHS = {"lengths", "length_distribution"}
"""Lists that count reads by length; the others are by cycle."""
OF_BASES = ("q20_bases", "q30_bases", "gc_bases")
Place = tuple[str, str]
"""Where something was reported (segment, and stream if there are several), and its name."""


@dataclass(slots=True)
class _Content:
    """What all reports hold, by kind, so that the same of each stands together."""

    numbers: list[dict[str, Any]] = field(default_factory=list)
    """A row for each report and segment."""
    curves: dict[Place, dict[str, Sequence[float]]] = field(default_factory=dict)
    """Lists by report."""
    bundles: dict[Place, dict[str, Mapping[str, Sequence[float]]]] = field(default_factory=dict)
    """Several lists of one thing, by report."""
    counts: dict[Place, dict[str, Mapping[str, Any]]] = field(default_factory=dict)

    def add(self, report: str, body: Mapping[str, Any], where: str = "") -> None:
        """What a report tells of a segment, or of all."""
        numbers = {name: value for name, value in body.items() if isinstance(value, int | float)}
        if numbers:
            row = {"report": report, "of": where or "molecules", **_with_shares(numbers)}
            self.numbers.append({name.replace("_", " "): value for name, value in row.items()})
        for name, value in body.items():
            place = (where, name)
            if _is_list(value):
                self.curves.setdefault(place, {})[report] = value
            elif not isinstance(value, Mapping) or not value:
                continue
            elif all(map(_is_list, value.values())):
                self.bundles.setdefault(place, {})[report] = value
            elif all(isinstance(one, int | float) for one in value.values()):
                self.counts.setdefault(place, {})[report] = value
            else:
                self.add(report, value, f"{where} {name}".strip())


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple | np.ndarray)


def _with_shares(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers, counts of bases as percent of all as well."""
    bases = numbers.get("bases", numbers.get("total_bases", 0))
    shares = {
        f"{name.removesuffix('_bases').upper()} [%]": round(100 * numbers[name] / bases, 2)
        for name in OF_BASES
        if bases and name in numbers
    }
    return {name: value for name, value in numbers.items() if name not in OF_BASES} | shares


def report_page(
    configuration: Configuration,
    result: EngineResult,
    content: Mapping[str, Any],
    notes: Sequence[str],
) -> str:
    """The page of a run: where the molecules went, then what the reports tell."""
    found = _Content()
    for name in content["report_order"]:
        found.add(name, content[name])
    sections = [Section("Molecules", "molecules", _molecules(result, notes))]
    if found.numbers:
        sections.append(Section("Reads", "reads", joined(list(_table(found.numbers, "reads")))))
    if charts := [*_charts(found), *_inserts(result)]:
        sections.append(
            Section("Distributions", "distributions", _grid(charts), "All values: the JSON report.")
        )
    if tables := list(_counts(found)):
        sections.append(Section("Counts", "counts", joined(tables)))
    sections += [
        Section("Input", "input", _inputs(configuration)),
        Section("Steps", "steps", _steps(result)),
        Section(
            "Configuration",
            "configuration",
            Markup("<pre>{}</pre>").format(configuration.text),
            "As it was given. Where it is one for many samples, each has its own input and output.",
        ),
    ]
    segments = ", ".join(configuration.segments)
    subtitle = f"{configuration.output.prefix}: {result.molecules_in:,} molecules of {segments}"
    return page("Reads", subtitle, sections)


def _grid(figures: Sequence[Markup]) -> Markup:
    return Markup('<div class="grid">{}</div>').format(joined(figures))


def _charts(found: _Content) -> Iterator[Markup]:
    for (where, name), values in found.curves.items():
        title = f"{where} {name}".strip().replace("_", " ")
        if name in LENGTHS:
            yield curves(f"{where} reads", values, x_name="length [nt]", first=0, share=True)
        else:
            yield curves(title, values, x_name="cycle")
    for (where, name), by_report in found.bundles.items():
        for report, lines in by_report.items():
            title = f"{where} {name} {report},".strip().replace("_", " ")
            bases = {base: values for base, values in lines.items() if base != "GC"}
            yield curves(title, bases, x_name="cycle")


def _inserts(result: EngineResult) -> Iterator[Markup]:
    """Insert sizes that overlaps of mates told; the last count is that of the pairs without."""
    for stage in result.stages:
        sizes = np.trim_zeros(np.array(stage.report.get("insert_sizes", [0])[:-1]), "b")
        if len(sizes):
            yield curves("insert size", {stage.name: sizes}, unit="nt", first=0, share=True)


def _counts(found: _Content) -> Iterator[Markup]:
    for (where, name), by_report in found.counts.items():
        for report, counts in by_report.items():
            title = f"{where} {name}, {report}".strip().replace("_", " ")
            yield Markup("<h3>{}</h3>").format(title)
            yield from _table([{name: str(k), "count": v} for k, v in counts.items()], title)


def _molecules(result: EngineResult, notes: Sequence[str]) -> Markup:
    """In, out, and what each step did with them."""
    told = accounting(result)
    came, left = told["molecules_in"], told["molecules_out"]
    numbers: dict[str, float | str] = {"in": came, "out": left, "lost": came - left}
    rows = [
        {
            "step": step["step"],
            "in": step["molecules_in"],
            "out": step["molecules_out"],
            "lost": step["molecules_in"] - step["molecules_out"],
        }
        for step in told["steps"]
    ]
    lines = ["A molecule is a read with its mates.", *notes]
    told_so = [Markup('<p class="note">{}</p>').format(line) for line in lines]
    counts = [Markup("{}").format(_told(step)) for step in told["steps"]]
    return joined([key_numbers(numbers), *_table(rows, "molecules by step", counts), *told_so])


def _told(step: Mapping[str, Any]) -> str:
    """The step's own counts as text."""
    own = {k: v for k, v in step.items() if k not in {"step", "molecules_in", "molecules_out"}}
    return ", ".join(
        f"{name.replace('_', ' ')} {plain_number(value)}"
        for name, value in own.items()
        if isinstance(value, int | float) and value
    )


def _inputs(configuration: Configuration) -> Markup:
    rows = [
        {"segment": name, "file": file}
        for name, files in configuration.input.files.items()
        for file in files
    ]
    return joined(list(_table(rows, "input files")))


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


def _table(
    rows: Sequence[Mapping[str, Any]], label: str, details: Sequence[Markup] | None = None
) -> Iterator[Markup]:
    if rows:
        frame = pd.DataFrame(list(rows))
        yield data_table(frame, label=label, max_rows=MOST_ROWS, details=details)
