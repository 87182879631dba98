"""The folder of a review.

results/agents/<run>/
    report.html                    open this
    summary.md                     the cited summary
    citations.tsv                  each place that it cites, and what stands there
    facts.tsv facts.parquet        all that was found out: mentions, figures, anomalies, …
    tables/*.parquet               the tables of each processor
    normalised/*.jsonl             the records made uniform
    summary.json sources/*.jsonl.gz    what the summary is checked against again
    multiqc/ pipeline_info/ checksums.sha256 RUN.json   as of every pipeline
"""

import gzip
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

import pandas as pd

from blocks.masking import mask
from blocks.settings import settings
from blocks.storage import read_bytes, read_table
from tasks.agents.checking import Summary, markdown
from tasks.agents.facts import fact_rows
from tasks.agents.outcome import Gathered, Performance, Processed, ReviewResult, Summarised
from tasks.agents.planning import Prepared
from tasks.agents.rechecking import SUMMARY, source_file
from tasks.agents.review_page import ReviewPage, review_page
from tasks.policies import Ended, current_run, delivery, run_logger
from tasks.results import MANIFEST, RunFolder, run_folder

LIBRARIES = ("seqloom", "numpy", "pandas", "pydantic", "prefect")
TEXT = "summary.md"


@dataclass(frozen=True, slots=True)
class Delivered:
    """What the flow shows when the folder is there."""

    result: ReviewResult
    text: str
    """The summary in Markdown."""


@delivery
def deliver(
    run: Prepared,
    ended: Mapping[str, Ended],
    measured: Performance,
    *,
    plan: pd.DataFrame,
    started: datetime,
) -> Delivered:
    """Fill the folder of a review."""
    current = current_run(started)
    began = f"{started:%Y-%m-%d %H:%M:%S} UTC"
    versions = {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}
    gathered, summarised = ended["read"].result, ended["synthesise"].result
    assert isinstance(gathered, Gathered)  # noqa: S101 -- for the type checker
    assert isinstance(summarised, Summarised)  # noqa: S101 -- for the type checker
    processed = {
        name: one.result for name, one in ended.items() if isinstance(one.result, Processed)
    }
    summary = Summary.model_validate_json(read_bytes(summarised.summary))
    text = markdown(run.title, summary)
    frames = {
        name: read_table(table) for one in processed.values() for name, table in one.tables.items()
    }
    with run_folder(settings().results, "agents", current.id) as (folder, uri):
        folder.text(TEXT, text)
        _write_tables(folder, summary, frames)
        _write_sources(folder, gathered, processed, summary)
        agents = agents_frame(ended)
        folder.multiqc("agents", "Agents", agents.rename(columns={"agent": "Sample"}))
        folder.json("pipeline_info/params.json", mask(run.params.model_dump(mode="json")))
        folder.json("pipeline_info/plan.json", plan.to_dict("records"))
        folder.csv("pipeline_info/execution_trace.tsv", agents, separator="\t")
        folder.versions(versions)
        files = sorted(folder.names() | {"report.html", "checksums.sha256", MANIFEST})
        shown = ReviewPage(
            title=run.title,
            subtitle=f"{current.name}, {began}",
            seconds=(datetime.now(UTC) - started).total_seconds(),
            summary=summary,
            confidence=summarised.confidence,
            notes=notes_of(processed, summary),
            agents=agents,
            frames=frames,
            sheets=gathered.sheets,
            measured=measured,
            facts={name: str(value) for name, value in mask(run.params.model_dump()).items()}
            | versions,
            files=files,
        )
        folder.text("report.html", review_page(shown))
        result = _result(run, gathered, processed, summarised, summary).model_copy(
            update={
                "folder": uri,
                "page": f"{uri}/report.html",
                "summary": f"{uri}/{TEXT}",
                "digests": folder.checksums("tables/*"),
                "versions": versions,
            }
        )
        content = {"run": current.name, "started": began, **result.model_dump(mode="json")}
        folder.json(MANIFEST, content)
    run_logger().info(
        "%d sentences, %d numbers, all found; %d left out; page: %s",
        result.sentences, result.numbers, result.dropped, result.page,
    )  # fmt: skip
    return Delivered(result, text)


def notes_of(processed: Mapping[str, Processed], summary: Summary) -> list[str]:
    """What the user should know."""
    notes = [
        f"{name}: the model did not help ({one.degraded}); patterns and terms did."
        for name, one in processed.items()
        if one.degraded
    ]
    if summary.degraded:
        told = f"synthesise: no summary by the model ({summary.degraded})"
        notes.append(f"{told}; it was written offline.")
    return [*notes, *summary.notes]


def agents_frame(ended: Mapping[str, Ended]) -> pd.DataFrame:
    """A row for each agent: how much, how long, how sure, by what."""
    rows = []
    for name, one in ended.items():
        result = one.result
        model = getattr(result, "model", "")
        rows.append(
            {
                "agent": name,
                "items": result.counts.items_in,
                "out": result.counts.items_out,
                "left out": result.counts.items_dropped,
                "failed": result.counts.items_failed,
                "seconds": round(result.seconds, 3),
                "stored before": "yes" if one.cached else "no",
                "confidence": getattr(result, "confidence", None),
                "by": model or "offline",
                "degraded": getattr(result, "degraded", ""),
            }
        )
    return pd.DataFrame(rows)


def _write_tables(folder: RunFolder, summary: Summary, frames: Mapping[str, pd.DataFrame]) -> None:
    cited = [
        {
            "number": one.number,
            "table": one.place.table,
            "row": one.place.row or None,
            "columns": ", ".join(one.place.columns),
            "figures": ", ".join(one.place.figures),
            "equals": one.place.equals,
            "stands_there": one.told,
        }
        for one in summary.citations
    ]
    columns = ["number", "table", "row", "columns", "figures", "equals", "stands_there"]
    citations = pd.DataFrame(cited, columns=columns).astype({"row": "Int64"})
    folder.csv("citations.tsv", citations, separator="\t")
    facts = fact_rows(frames)
    folder.csv("facts.tsv", facts, separator="\t")
    folder.parquet("facts.parquet", facts)
    for name, frame in frames.items():
        folder.parquet(f"tables/{name}.parquet", frame)


def _write_sources(
    folder: RunFolder,
    gathered: Gathered,
    processed: Mapping[str, Processed],
    summary: Summary,
) -> None:
    """Records as they were read and as they were made uniform; the summary for a check."""
    told = {}
    for number, one in enumerate(gathered.sheets, start=1):
        name = source_file(number, one.name)
        told[one.name] = {**one.model_dump(exclude={"lines"}), "file": f"sources/{name}.jsonl.gz"}
        lines = read_bytes(one.lines)
        packed = gzip.compress(lines, 6, mtime=0)
        folder.file(f"sources/{name}.jsonl.gz").write_bytes(packed)
        made = processed["transform"].lines[one.name]
        folder.file(f"normalised/{name}.jsonl").write_bytes(read_bytes(made))
    folder.json(SUMMARY, {"sources": told, "summary": summary.model_dump(mode="json")})


def _result(
    run: Prepared,
    gathered: Gathered,
    processed: Mapping[str, Processed],
    summarised: Summarised,
    summary: Summary,
) -> ReviewResult:
    sources = {one.origin: one.lines.digest for one in gathered.sheets}
    files = {one.file.uri: one.file.digest for one in run.sources if one.file is not None}
    return ReviewResult(
        title=run.title,
        tables=len(gathered.sheets),
        records=sum(one.rows for one in gathered.sheets),
        sentences=len(summary.kept),
        numbers=summary.numbers,
        dropped=len(summary.dropped),
        confidence=round(summarised.confidence, 4),
        failed=processed["validate"].counts.items_failed,
        degraded=bool(summary.degraded) or any(one.degraded for one in processed.values()),
        notes=tuple(notes_of(processed, summary)),
        inputs=mask(files or sources),
    )
