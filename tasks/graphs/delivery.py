"""The folder of a run over a graph.

results/graphs/<run>/
    report.html                    open this
    <node>.jsonl .csv .parquet     items of each output
    failed.jsonl                   items of the input that failed, as input for another run
    errors.jsonl                   each failure: node, item, reason
    nodes.csv                      a row for each node; counts add up
    graph.yaml graph.mmd           the graph as it ran, to be run again, and in Mermaid
    pipeline_info/records.jsonl    where inputs and outputs of every node are stored
    multiqc/ pipeline_info/ checksums.sha256 RUN.json   as of every pipeline
"""

import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

import pandas as pd
from pydantic import Field

from blocks.masking import mask, one_line
from blocks.settings import settings
from tasks.graphs.accounts import require_sums, trace_frame, uses_frame
from tasks.graphs.gathering import ERRORS, FAILED_INPUT, Gathering
from tasks.graphs.mermaid import mermaid
from tasks.graphs.model import to_yaml
from tasks.graphs.run_page import GraphPage, graph_page, nodes_frame
from tasks.graphs.running import INDEX, Ended
from tasks.graphs.tables import write_tables
from tasks.graphs.tally import State
from tasks.parameters import Record
from tasks.results import MANIFEST, RunFolder, run_folder

RECORDS = f"pipeline_info/{INDEX}"
DECLARATION = "graph.yaml"
LIBRARIES = ("seqloom", "pydantic", "pyarrow", "prefect")
TOLD_FAILURES = 100


class GraphResult(Record):
    """What a run of `graphs` returns."""

    graph: str = ""
    folder: str = ""
    """Where the results lie; "" after a dry run."""
    page: str = ""
    items: int = 0
    """Of the input."""
    failed: int = 0
    """Items of the input that failed at some node, or something that was made of them."""
    errors: int = 0
    """All failures: also those of items that a node made at the end (`aggregate`)."""
    outputs: dict[str, int] = Field({})
    """Output -> items."""
    states: dict[str, State] = Field({})
    """Node -> state."""
    computed: int = 0
    """Outcomes that were made in this run, over all nodes."""
    cached: int = 0
    """Outcomes that were stored."""
    calls: int = 0
    """Answers that language models gave."""
    tokens: int = 0
    cost: float = 0.0
    """USD."""
    degraded: bool = False
    error: str = ""
    """What ended the run before its time."""
    notes: tuple[str, ...] = ()
    failures: tuple[dict[str, str], ...] = ()
    """The first errors."""
    masked: tuple[str, ...] = ()
    """Fields that are `***` in all that the run keeps."""
    digests: dict[str, str] = Field({})
    inputs: dict[str, str] = Field({})
    versions: dict[str, str] = Field({})
    plan: tuple[dict[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Occasion:
    """Which run this is."""

    name: str
    id: str
    started: datetime


def deliver_folder(ended: Ended, occasion: Occasion, plan: pd.DataFrame) -> GraphResult:
    """Fill the folder of a run.

    Raises:
        SeqloomError: The counts do not add up.
    """
    run, graph = ended.run, ended.run.graph
    require_sums(ended.tallies)
    versions = {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}
    began = f"{occasion.started:%Y-%m-%d %H:%M:%S} UTC"
    nodes = nodes_frame(graph, ended.states, ended.tallies)
    whole = not run.params.rerun  # `latest` stays the run whose node was run again
    root = settings().results
    with run_folder(root, "graphs", occasion.id, newest=whole) as (folder, uri):
        notes = [*run.notes, *_outputs(ended, folder)]
        folder.csv("nodes.csv", nodes)
        folder.text(DECLARATION, to_yaml(graph.declaration))
        folder.text("graph.mmd", mermaid(graph, ended.states) + "\n")
        folder.multiqc("graphs", "Graph", nodes.rename(columns={"node": "Sample"}))
        folder.json("pipeline_info/params.json", mask(run.told))
        folder.json("pipeline_info/plan.json", plan.to_dict("records"))
        folder.csv("pipeline_info/execution_trace.tsv", trace_frame(ended), separator="\t")
        folder.versions(versions)
        files = sorted(folder.names() | {"report.html", "checksums.sha256", MANIFEST})
        page = _page(ended, occasion, files, notes, versions)
        folder.text("report.html", graph_page(page))
        digests = folder.checksums(*map(Gathering.file_name, graph.outputs))
        result = _result(ended, uri, notes, digests, versions)
        content = {"run": occasion.name, "started": began, **result.model_dump(mode="json")}
        folder.json(MANIFEST, content)
    return result


def _outputs(ended: Ended, folder: RunFolder) -> list[str]:
    """Put the items of the outputs into the folder; what could not be made a table."""
    notes = []
    wanted = ended.run.params.tables
    for node in ended.run.graph.outputs:
        lines = ended.folder / Gathering.file_name(node)
        parquet = folder.file(f"{node}.parquet") if wanted in ("both", "parquet") else None
        text = folder.file(f"{node}.csv") if wanted in ("both", "csv") else None
        if ended.gathered.outputs[node] and not write_tables(lines, parquet, text):
            notes.append(f"{node}: too many different fields for a table; {node}.jsonl has them.")
        shutil.copyfile(lines, folder.file(lines.name))
    for name in (ERRORS, FAILED_INPUT):
        if (ended.folder / name).stat().st_size:
            shutil.copyfile(ended.folder / name, folder.file(name))
    if ended.run.params.keep:
        shutil.copyfile(ended.folder / INDEX, folder.file(RECORDS))
    return notes


def _page(
    ended: Ended,
    occasion: Occasion,
    files: list[str],
    notes: list[str],
    versions: Mapping[str, str],
) -> GraphPage:
    run = ended.run
    params = {
        name: str(value)
        for name, value in mask(run.told).items()
        if name not in ("nodes", "subgraphs", "input", "outputs")
    }
    if ended.failed_first:
        notes = [f"The declared graph failed ({ended.failed_first}); this one took its place."]
    return GraphPage(
        name=run.name,
        subtitle=f"{occasion.name}, {occasion.started:%Y-%m-%d %H:%M:%S} UTC, {run.source.name}",
        seconds=(datetime.now(UTC) - occasion.started).total_seconds(),
        items=run.source.survey.items,
        graph=run.graph,
        states=ended.states,
        tallies=ended.tallies,
        gathered=ended.gathered,
        models=uses_frame(ended),
        notes=notes,
        error=_told(ended.error),
        facts={"input": run.source.name, **params, **versions},
        declaration=to_yaml(run.graph.declaration),
        files=files,
    )


def _told(error: BaseException | None) -> str:
    return "" if error is None else one_line(error)


def _result(
    ended: Ended, uri: str, notes: list[str], digests: dict[str, str], versions: dict[str, str]
) -> GraphResult:
    gathered, tallies = ended.gathered, ended.tallies.values()
    uses = ended.uses.values()
    cached = sum(one.cached for one in tallies)
    return GraphResult(
        graph=ended.run.name,
        folder=uri,
        page=f"{uri}/report.html",
        items=ended.run.source.survey.items,
        failed=gathered.failed_items,
        errors=gathered.error_count,
        outputs=dict(gathered.outputs),
        states=ended.states,
        computed=sum(one.passed + one.spread for one in tallies) - cached,
        cached=cached,
        calls=sum(use.answered for use in uses),
        tokens=sum(use.usage.input_tokens + use.usage.output_tokens for use in uses),
        cost=round(sum(use.usage.cost for use in uses), 6),
        degraded=ended.degraded,
        error=_told(ended.error),
        notes=tuple(notes),
        failures=tuple(mask(gathered.errors[:TOLD_FAILURES])),
        masked=ended.run.hidden,
        digests=digests,
        inputs=mask({ended.run.source.name: ended.run.source.digest}),
        versions=versions,
    )
