"""The page of a workflow: the graph with the state of each step, and links to the steps' pages."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import orjson
import pandas as pd
from markupsafe import Markup

from tasks.dag import reduced
from tasks.report.flow_chart import ChartNode, flow_chart
from tasks.report.graph_drawing import Box, drawn
from tasks.report.number_text import duration
from tasks.report.page import Section, key_numbers, page
from tasks.report.svg import joined
from tasks.report.tables import data_table
from tasks.workflows.facts import when_told
from tasks.workflows.model import Declaration
from tasks.workflows.running import Ended
from tasks.workflows.step_end import SHOWN, StepEnd

CAPTION = "State and time of each step; a click leads to what it did."
LONGEST = 4_000
"""Letters of a result that are shown."""


@dataclass(frozen=True, slots=True)
class WorkflowPage:
    """What the page shows."""

    subtitle: str
    seconds: float
    declaration: Declaration
    needs: Mapping[str, tuple[str, ...]]
    ended: Ended
    decisions: Mapping[str, object]
    conditions: Mapping[str, str]
    """Condition -> how it was in the end."""
    folder: str
    """Where the page will lie; links to other runs are relative to it."""
    text: str
    """The declaration."""
    facts: Mapping[str, str]
    files: Sequence[str]


def diagram(
    declaration: Declaration,
    needs: Mapping[str, tuple[str, ...]],
    ends: Mapping[str, StepEnd] | None = None,
) -> str:
    """The workflow in Mermaid's language."""
    steps = {one.name: one for one in declaration.steps}
    nodes = [
        ChartNode(name, steps[name].pipeline, above, when_told(steps[name].when), steps[name].undo)
        for name, above in reduced(needs).items()
    ]
    told = {
        name: f"{SHOWN[end.state]} {end.pipeline}, {end.seconds:.1f} s"
        for name, end in (ends or {}).items()
    }
    return flow_chart(nodes, declaration.name, told)


def steps_frame(needs: Mapping[str, tuple[str, ...]], ended: Ended) -> pd.DataFrame:
    """A row for each step, in the order of the plan."""
    ends = [ended.steps[name] for name in needs]
    return pd.DataFrame(
        {
            "step": list(needs),
            "pipeline": [one.pipeline for one in ends],
            "state": [one.state for one in ends],
            "seconds": [round(one.seconds, 2) for one in ends],
            "tries": [one.outcome.tries if one.outcome else 0 for one in ends],
            "reason": [one.reason for one in ends],
            "folder": [one.folder for one in ends],
        }
    )


def workflow_page(run: WorkflowPage) -> str:
    """The whole HTML document."""
    frame = steps_frame(run.needs, run.ended)
    sections = [
        Section("Run", "run", _overview(run)),
        Section("Steps", "steps", _steps(run, frame)),
    ]
    if run.conditions or run.decisions:
        sections.append(Section("Decisions", "decisions", _decisions(run)))
    if run.ended.undone:
        table = data_table(pd.DataFrame(_undone(run.ended)), label="compensations")
        note = "What was done before the failure, undone, the last first."
        sections.append(Section("Compensations", "compensations", table, note))
    facts = pd.DataFrame({"what": list(run.facts), "value": list(run.facts.values())})
    names = [Markup('<li><a href="{0}">{0}</a></li>').format(name) for name in run.files]
    sections += [
        Section("Files", "files", Markup("<ul>{}</ul>").format(joined(names))),
        Section("Workflow", "workflow", Markup("<pre>{}</pre>").format(run.text)),
        Section("How", "how", data_table(facts, label="inputs and versions", max_rows=500)),
    ]
    title = f"Workflow: {run.declaration.name}"
    return page(title, run.subtitle, sections, styles=["graph"])


def _overview(run: WorkflowPage) -> Markup:
    states = [end.state for end in run.ended.steps.values()]
    numbers: dict[str, float | str] = {
        "steps done": states.count("done"),
        "finished before": states.count("reused"),
        "skipped": states.count("skipped"),
        "failed": states.count("failed"),
        "took": duration(run.seconds),
    }
    boxes = {name: _box(place, run.ended.steps[name]) for place, name in enumerate(run.needs)}
    parts = [key_numbers(numbers), drawn(reduced(run.needs), boxes, CAPTION)]
    if run.declaration.description:
        parts.insert(0, Markup("<p>{}</p>").format(run.declaration.description))
    if run.ended.error is not None:
        told = f"{run.ended.error.name} failed: {run.ended.error.reason}"
        parts.insert(0, Markup('<p class="lead">{}</p>').format(told))
    return joined(parts)


def _box(place: int, end: StepEnd) -> Box:
    title = f"{end.name} ({end.pipeline}): {end.state} {end.reason}"
    below = f"{end.state} · {duration(end.seconds)}"
    return Box(SHOWN[end.state], end.pipeline, below, title, str(place))


def _steps(run: WorkflowPage, frame: pd.DataFrame) -> Markup:
    links = [_link(run.ended.steps[name].page, run.folder) for name in run.needs]
    table = data_table(
        frame.drop(columns="folder"), label="steps", where="steps.csv", links=links, max_rows=500
    )
    return joined([table, *(_step(place, run, name) for place, name in enumerate(run.needs))])


def _step(place: int, run: WorkflowPage, name: str) -> Markup:
    end = run.ended.steps[name]
    link = _link(end.page, run.folder)
    page_ = Markup('<p><a href="{}">page of this step</a></p>').format(link) if link else Markup()
    reason = Markup('<p class="note">{}</p>').format(end.reason) if end.reason else Markup()
    pieces = [("parameters", end.params), ("result", end.outcome.result if end.outcome else None)]
    shown = joined(
        [
            Markup("<details><summary>{}</summary><pre>{}</pre></details>").format(
                head, _text(value)
            )
            for head, value in pieces
            if value
        ]
    )
    return Markup(
        '<div id="node-{}" class="graph-items"><h3>{} <span class="note">{}</span></h3>{}{}{}</div>'
    ).format(str(place), name, f"{end.pipeline}, {end.state}", reason, page_, shown)


def _text(value: object) -> str:
    text = orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2).decode()
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text):,} letters)"


def _decisions(run: WorkflowPage) -> Markup:
    rows = [
        {"what": f"condition {name}", "says": run.declaration.conditions[name], "was": was}
        for name, was in run.conditions.items()
    ]
    rows += [
        {
            "what": f"decision {one.name}",
            "says": "; ".join(
                [f"{when_told(row.when)}: {row.choose}" for row in one.rows]
                + [f"otherwise: {one.otherwise}"]
            ),
            "was": str(run.decisions[one.name]),
        }
        for one in run.declaration.decisions
    ]
    return data_table(pd.DataFrame(rows), label="conditions and decisions", max_rows=500)


def _undone(ended: Ended) -> list[dict[str, str]]:
    return [
        {"compensation": one.name, "pipeline": one.pipeline, "state": one.state,
         "reason": one.reason}
        for one in ended.undone
    ]  # fmt: skip


def _link(target: str, folder: str) -> str:
    """Where a page lies, as seen from a folder, so that results may be moved as a whole."""
    if not target or "://" in target or "://" in folder:
        return target
    return quote(os.path.relpath(target, folder))
