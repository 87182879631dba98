"""The page of a run over reads: all samples at a glance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import numpy as np
import pandas as pd
from markupsafe import Markup

from tasks.reads.outcome import SampleResult
from tasks.reads.run_files import FAILED, INFO, SAMPLES
from tasks.report.curves import COLOURS, curves
from tasks.report.heat_map import heat_map
from tasks.report.number_text import counted
from tasks.report.page import Section, choice, key_numbers, page
from tasks.report.svg import joined
from tasks.report.tables import data_table

REFERENCE = 30
"""Quality [Phred] that is neutral in colour."""
MAX_LINES = 60
"""Samples drawn; more do not fit a page."""
MAX_CYCLES = 300
LABEL_LETTERS = 6
"""Longest name that fits beside a line; else numbers stand there."""


@dataclass(frozen=True, slots=True)
class RunPage:
    """What the page shows."""

    name: str
    started: str
    seconds: float
    configuration: str
    table: pd.DataFrame
    """A row for each sample."""
    done: Mapping[str, SampleResult]
    failures: Mapping[str, str]
    files: Sequence[str]
    """Names relative to the page."""


def reads_page(run: RunPage) -> str:
    """The whole HTML document."""
    sections = [Section("Samples", "samples", _samples(run))]
    if run.failures:
        sections.append(Section("Failed samples", "failed", _failures(run.failures)))
    if quality := _quality(run.done):
        sections.append(
            Section(
                "Quality by cycle",
                "quality",
                quality,
            )
        )
    sections += [
        Section("Files", "files", _files(run.files)),
        Section(
            "Configuration", "configuration", Markup("<pre>{}</pre>").format(run.configuration)
        ),
        Section("Time of each step", "steps", _steps(run.done)),
    ]
    subtitle = f"{run.name}, {run.started}, {counted(len(run.table), 'sample')}"
    return page("Reads", subtitle, sections)


def _samples(run: RunPage) -> Markup:
    came = sum(one.counts.items_in for one in run.done.values())
    left = sum(one.counts.items_out for one in run.done.values())
    numbers: dict[str, float | str] = {
        "samples": len(run.table),
        "failed": len(run.failures),
        "molecules in": came,
        "molecules out": left,
        "lost": came - left,
        "took": f"{run.seconds:.1f} s",
    }
    table = run.table.drop(columns=["reason"], errors="ignore")
    if not run.failures:
        table = table.drop(columns="status")
    shown = data_table(
        table,
        label="samples",
        where=SAMPLES,
        bars=("kept [%]",),
        links=[_page_of(sample, run.files) for sample in table["sample"]],
    )
    note = Markup(
        '<p class="note">A molecule is a read with its mates. Of each sample, molecules out and'
        " lost add up to molecules in.</p>"
    )
    return joined([key_numbers(numbers), shown, note])


def _page_of(sample: str, files: Sequence[str]) -> str:
    """Where a sample's own page is; "" where it has none."""
    name = f"{sample}/{sample}.html"
    return quote(name) if name in files else ""


def _failures(failures: Mapping[str, str]) -> Markup:
    return data_table(
        pd.DataFrame({"sample": list(failures)}),
        label="failed samples",
        where=FAILED,
        details=[Markup("{}").format(reason) for reason in failures.values()],
    )


def _quality(done: Mapping[str, SampleResult]) -> Markup:
    """For each report and segment the samples, one below the other."""
    places = dict.fromkeys(place for one in done.values() for place in one.quality)
    panels = {
        place: _cycles(
            {name: one.quality[place] for name, one in done.items() if one.quality.get(place)}
        )
        for place in places
        if any(one.quality.get(place) for one in done.values())
    }
    return choice("Report and segment", panels) if panels else Markup()


def _cycles(samples: Mapping[str, Sequence[float | None]]) -> Markup:
    """The quality of each cycle: curves of a few samples, a line of colours for each of many."""
    if len(samples) <= COLOURS:
        lines = {name: np.array(values, float) for name, values in samples.items()}
        drawn = curves("quality", lines, x_name="cycle", unit="Phred")
        return Markup('<div class="grid">{}</div>').format(drawn)
    shown = {name: values[:MAX_CYCLES] for name, values in list(samples.items())[:MAX_LINES]}
    cycles = max(map(len, shown.values()))
    matrix = np.full((len(shown), cycles), np.nan)
    for row, values in enumerate(shown.values()):
        matrix[row, : len(values)] = np.array(values, float) - REFERENCE
    numbers = [str(cycle) for cycle in range(1, cycles + 1)]
    fit = all(len(name) <= LABEL_LETTERS for name in shown)
    rows = list(shown) if fit else [str(row) for row in range(1, len(shown) + 1)]
    drawn = heat_map(matrix, rows, numbers, value_name=f"quality over Q{REFERENCE}", diverging=True)
    notes = [f"Orange is better than Q{REFERENCE}, blue is worse."]
    if not fit:
        notes.append(", ".join(f"{row} {name}" for row, name in enumerate(shown, 1)))
    if len(samples) > len(shown):
        notes.append(f"{len(samples) - len(shown)} more are not drawn.")
    return joined([drawn, *(Markup('<p class="note">{}</p>').format(note) for note in notes)])


def _files(files: Sequence[str]) -> Markup:
    items = [Markup('<li><a href="{0}">{0}</a></li>').format(name) for name in files]
    return Markup("<ul>{}</ul>").format(joined(items))


def _steps(done: Mapping[str, SampleResult]) -> Markup:
    rows = [
        {"sample": name, "step": step, "wall [s]": wall, "CPU [s]": cpu}
        for name, one in done.items()
        for step, (wall, cpu) in one.times.items()
    ]
    if not rows:
        return Markup("<p>No steps.</p>")
    return data_table(
        pd.DataFrame(rows), label="time of each step", where=f"{INFO}/execution_trace.tsv"
    )
