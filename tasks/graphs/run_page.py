"""The page of a run over a graph: every node, what it did, and items to look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson
import pandas as pd
from markupsafe import Markup

from tasks.graphs.chunks import number_text
from tasks.graphs.compiled import Graph
from tasks.graphs.gathering import SAMPLE, TOLD_ERRORS, Gathering, Sample, Shown
from tasks.graphs.step import Failed, Several, Skipped, Value
from tasks.graphs.tally import State, Tally
from tasks.report.graph_drawing import Box, drawn
from tasks.report.number_text import counted, duration
from tasks.report.page import Section, key_numbers, page
from tasks.report.svg import joined
from tasks.report.tables import data_table

LONGEST = 2_000
"""Letters of an item that are shown."""
TOP_REASONS = 50


@dataclass(frozen=True, slots=True)
class GraphPage:
    """What the page shows."""

    name: str
    subtitle: str
    seconds: float
    items: int
    graph: Graph
    states: Mapping[str, State]
    tallies: Mapping[str, Tally]
    gathered: Gathering
    models: pd.DataFrame
    """A row for each connection."""
    notes: Sequence[str]
    error: str
    """What ended the run before its time."""
    facts: Mapping[str, str]
    declaration: str
    files: Sequence[str]


def nodes_frame(
    graph: Graph, states: Mapping[str, State], tallies: Mapping[str, Tally]
) -> pd.DataFrame:
    """A row for each node; items = out + spread + skipped + failed."""
    rows = []
    for one in graph.nodes:
        tally = tallies[one.name]
        rows.append(
            {
                "node": one.name,
                "step": one.node.uses,
                "state": _state_text(states[one.name], tally),
                "items": tally.items,
                "out": tally.passed,
                "spread": tally.spread,
                "skipped": sum(tally.skipped.values()),
                "failed": tally.failed,
                "new": tally.new_items,
                "replaced": tally.replaced,
                "stored": tally.cached,
                "calls": tally.calls,
                "seconds": round(tally.seconds, 3),
                "ms an item": round(1e3 * tally.seconds / max(tally.items - tally.cached, 1), 3),
            }
        )
    return pd.DataFrame(rows)


def _state_text(state: State, tally: Tally) -> str:
    return f"{state} ({tally.reason})" if state == "SKIPPED" else state


def graph_page(run: GraphPage) -> str:
    """The whole HTML document."""
    frame = nodes_frame(run.graph, run.states, run.tallies)
    sections = [
        Section("Run", "run", _overview(run)),
        Section(
            "Nodes",
            "nodes",
            data_table(frame, label="nodes", max_rows=500, where="nodes.csv"),
            "Of each node, items are those that went out, were spread into several, skipped or"
            " failed; new items are those that it made. Seconds are those of all its calls.",
        ),
        Section("Items", "items", _items(run), f"At most {SAMPLE} of each kind of outcome."),
    ]
    if run.gathered.error_count:
        sections.append(Section("Errors", "errors", _errors(run)))
    if len(run.models):
        table = data_table(run.models, label="language models")
        sections.append(Section("Language models", "models", table))
    facts = pd.DataFrame({"what": list(run.facts), "value": list(run.facts.values())})
    sections += [
        Section("Files", "files", _files(run.files)),
        Section("Graph", "graph", Markup("<pre>{}</pre>").format(run.declaration)),
        Section("How", "how", data_table(facts, label="parameters and versions", max_rows=500)),
    ]
    return page(f"Graph: {run.name}", run.subtitle, sections, styles=["graph"])


def _overview(run: GraphPage) -> Markup:
    numbers: dict[str, float | str] = {
        "items in": run.items,
        **{f"items of {name}": count for name, count in run.gathered.outputs.items()},
        "items that failed": run.gathered.failed_items,
        "took": duration(run.seconds),
    }
    notes = [Markup('<p class="note">{}</p>').format(note) for note in run.notes]
    parts = [key_numbers(numbers), *notes, drawn(run.graph.needs, boxes(run))]
    if run.error:
        parts.insert(0, Markup('<p class="lead">The run ended early: {}</p>').format(run.error))
    return joined(parts)


def boxes(run: GraphPage) -> dict[str, Box]:
    """What the drawing tells of each node."""
    found = {}
    for place, one in enumerate(run.graph.nodes):
        tally, state = run.tallies[one.name], run.states[one.name]
        items = f"{tally.items:,} → {tally.passed + tally.new_items:,}"
        title = f"{one.name} ({one.node.uses}): {state}, {items} items, {tally.failed:,} failed"
        below = f"{state.lower()} · {duration(tally.seconds)}"
        found[one.name] = Box(state, items, below, title, str(place))
    return found


def _items(run: GraphPage) -> Markup:
    parts = []
    for place, one in enumerate(run.graph.nodes):
        shown = run.gathered.shown[one.name]
        kinds = [
            _samples("passed", shown.passed),
            _samples("failed", shown.failed),
            _samples("skipped", shown.skipped),
            _made(shown),
        ]
        body = joined([kind for kind in kinds if kind]) or Markup('<p class="note">No items.</p>')
        parts.append(
            Markup('<div id="node-{}"><h3>{} <span class="note">{}</span></h3>{}</div>').format(
                str(place), one.name, one.node.uses, body
            )
        )
    return Markup('<div class="graph-items">{}</div>').format(joined(parts))


def _samples(kind: str, samples: Sequence[Sample]) -> Markup:
    if not samples:
        return Markup()
    pairs = joined(
        [
            Markup("<dt>item {}</dt><dd>{}</dd><dt>→</dt><dd>{}</dd>").format(
                number_text(one.number), _shown(one.given), _outcome(one)
            )
            for one in samples
        ]
    )
    head = f"{kind}: {counted(len(samples), 'item')}"
    return Markup("<details><summary>{}</summary><dl>{}</dl></details>").format(head, pairs)


def _made(shown: Shown) -> Markup:
    if not shown.made:
        return Markup()
    rows = joined([Markup("<dt>new</dt><dd>{}</dd>").format(_shown(one)) for one in shown.made])
    head = f"made at the end: {counted(len(shown.made), 'item')}"
    return Markup("<details><summary>{}</summary><dl>{}</dl></details>").format(head, rows)


def _outcome(sample: Sample) -> Markup:
    match sample.outcome:
        case Value(item):
            return _shown(item)
        case Several(items):
            return _shown(list(items[:SAMPLE]))
        case Skipped(reason):
            return Markup("skipped: {}").format(reason)
        case Failed(text):
            return Markup("failed: {}").format(text)


def _shown(value: object) -> Markup:
    text = orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2).decode()
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}… ({len(text):,} letters)"
    return Markup("<pre>{}</pre>").format(text)


def _errors(run: GraphPage) -> Markup:
    """Errors by node and text, the most frequent first, and the first ones one by one."""
    errors = pd.DataFrame(run.gathered.errors)
    counts = errors.groupby(["node", "error"], sort=False).size().reset_index(name="items")
    counts = counts.sort_values("items", ascending=False, kind="stable")
    total = run.gathered.error_count
    note = f"Of the first {TOLD_ERRORS:,} of {total:,} errors." if total > TOLD_ERRORS else ""
    return joined(
        [
            data_table(counts, label="errors by node", max_rows=TOP_REASONS),
            Markup('<p class="note">{}</p>').format(note),
            data_table(errors, label="errors", where="errors.jsonl"),
        ]
    )


def _files(files: Sequence[str]) -> Markup:
    items = [Markup('<li><a href="{0}">{0}</a></li>').format(name) for name in files]
    return Markup("<ul>{}</ul>").format(joined(items))
