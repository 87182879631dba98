"""The folder of a run over domains.

results/domains/<run>/
    report.html                    open this
    domains.tsv domains.parquet    a row per domain
    proteins.tsv unassigned.tsv    a row per protein, per stretch without a domain
    domains.jsonl.gz               a line per protein, with the evidence of each domain
    evidence.parquet               every alignment
    xml/summaries.zip xml/partitions.zip   ECOD-style XML, a file per protein (10,000 in a zip)
    failed.csv                     proteins that failed, as input for another run
    counts.tsv                     records read = repeated + left out + outcomes + failed
    multiqc/ pipeline_info/ checksums.sha256 RUN.json   as of every pipeline

Chunks are read one after the other; nothing grows with the number of proteins but the page, which
has its limit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pandas as pd
from pydantic import Field

from blocks.errors import SeqloomError
from blocks.masking import mask
from blocks.settings import settings
from blocks.storage import read_table
from tasks.domains.batch_files import BatchFiles, ProteinInfo
from tasks.domains.batch_page import OUTCOMES, batch_page
from tasks.domains.gathered import Gathered
from tasks.domains.outcome import Chunk, Cut, Partitioned, Read, Summarised
from tasks.domains.planning import Prepared
from tasks.domains.run_facts import shown_of, versions_of
from tasks.domains.stages import annotations_of, evidence_table
from tasks.parameters import Record
from tasks.policies import current_run, delivery, run_logger
from tasks.results import MANIFEST, run_folder

TOLD_FAILURES = 100
"""Failures in the run's result; failed.csv has all."""


class DomainsResult(Record):
    """What a run of `domains` returns."""

    batch: str
    folder: str = ""
    """Where the results lie; "" where there was nothing to do."""
    page: str = ""
    proteins: int = 0
    """Worked on in this run."""
    domains: int = 0
    failed: int = 0
    refused: int = 0
    """Files that could not be read and were left out."""
    left_out: int = 0
    """Proteins that were done before, or were not asked for."""
    repeated: int = 0
    waiting: int = 0
    """Files that have just changed and were left for the next run."""
    computed: int = 0
    """Searches of a protein that were made in this run."""
    cached: int = 0
    """Searches that were stored."""
    outcomes: dict[str, int] = Field({})
    failures: dict[str, str] = Field({})
    """The first proteins that failed -> why."""
    digests: dict[str, str] = Field({})
    inputs: dict[str, str] = Field({})
    versions: dict[str, str] = Field({})
    plan: tuple[dict[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """A chunk that went through all stages; only what its files are written from."""

    chunk: Chunk
    unsearched: dict[str, tuple[str, str]]
    """Digest -> stage and reason."""
    unpartitioned: dict[str, str]
    """Id -> reason."""
    summary: Summarised
    partitioned: Partitioned
    """Without its outcomes."""
    computed: int
    cached: int


@delivery
def deliver(
    run: Prepared,
    read: Read,
    cut: Cut,
    chunks: Sequence[Done],
    *,
    plan: pd.DataFrame,
    started: datetime,
) -> DomainsResult:
    """The folder of the run: tables, XML, page, manifest.

    Raises:
        SeqloomError: The counts do not add up.
    """
    current = current_run(started)
    versions = versions_of(run)
    began = f"{started:%Y-%m-%d %H:%M:%S} UTC"
    gathered = Gathered(run.reference.tables.homology_level)
    metadata = {
        "batch_id": run.params.batch_name,
        "reference": run.reference.manifest.name,
        "reference_fingerprint": run.ref.fingerprint,
        "timestamp": f"{started:%Y-%m-%dT%H:%M:%SZ}",
        "algorithm": f"seqloom {versions['seqloom']}",
    }
    with run_folder(settings().results, "domains", current.id) as (folder, uri):
        parameters = run.params.partition.told()
        levels = run.reference.manifest.levels
        with BatchFiles(folder, levels, metadata, parameters, gathered) as files:
            for done in chunks:
                _write_chunk(files, done)
        counts = counts_of(read, cut, gathered)
        folder.text("counts.tsv", counts.to_csv(sep="\t", index=False))
        folder.multiqc("domains", "Domains", _multiqc(run.params.batch_name, gathered))
        folder.json("pipeline_info/params.json", mask(run.params.model_dump(mode="json")))
        folder.json("pipeline_info/plan.json", plan.to_dict("records"))
        folder.versions(versions)
        names = sorted(folder.names() | {"report.html", "checksums.sha256", MANIFEST})
        shown = shown_of(run, read, names, (datetime.now(UTC) - started).total_seconds(), began)
        folder.text("report.html", batch_page(shown, gathered))
        result = DomainsResult(
            batch=run.params.batch_name,
            folder=uri,
            page=f"{uri}/report.html",
            proteins=gathered.proteins,
            domains=len(gathered.confidence),
            failed=gathered.outcomes["failed"],
            refused=len(read.refused),
            left_out=cut.left_out,
            repeated=read.repeated,
            waiting=len(run.files.waiting),
            computed=sum(one.computed for one in chunks),
            cached=sum(one.cached for one in chunks),
            outcomes=dict(gathered.outcomes),
            failures=mask(_told(gathered)),
            inputs=mask({file.uri: file.digest for file in run.files.found}),
            versions=versions,
            digests=folder.checksums("*.tsv", "*.parquet"),
        )  # fmt: skip
        content = {"run": current.name, "started": began, **result.model_dump(mode="json")}
        folder.json(MANIFEST, content | {"reference": run.reference.manifest.name})
    run_logger().info(
        "%d proteins, %d failed; page: %s", result.proteins, result.failed, result.page
    )
    return result


def _told(gathered: Gathered) -> dict[str, str]:
    """Protein -> why it failed, of the first ones."""
    first = gathered.failures[:TOLD_FAILURES]
    return {one["protein"]: f"{one['stage']}: {one['error']}" for one in first}


def _write_chunk(files: BatchFiles, done: Done) -> None:
    frame = read_table(done.chunk.table)
    late = {name: ("partition", reason) for name, reason in done.unpartitioned.items()}
    annotations = annotations_of(done.partitioned)
    hits = files.evidence(evidence_table(done.summary))
    columns = (frame[name].tolist() for name in ("id", "sequence", "description", "source"))
    for digest, *parts in zip(frame["digest"].tolist(), *columns, strict=True):
        about = ProteinInfo(*parts)
        reason = done.unsearched.get(digest) or late.get(about.id)
        if reason is not None:
            files.failed(about, *reason)
        else:
            files.protein(about, next(annotations), hits.get(about.id, ()))
    files.flush()


def counts_of(read: Read, cut: Cut, gathered: Gathered) -> pd.DataFrame:
    """What became of each record that was read.

    Raises:
        SeqloomError: The counts do not add up to the records.
    """
    in_refused = read.records - read.repeated - cut.chosen - cut.left_out
    rows = {"repeated": read.repeated, "in refused files": in_refused, "left out": cut.left_out}
    rows |= {name: gathered.outcomes[name] for name in OUTCOMES}
    if sum(rows.values()) != read.records or in_refused < 0 or (in_refused and not read.refused):
        raise SeqloomError(f"{read.records} records read, but {rows}; expected them to add up")
    return pd.DataFrame(
        {"what": ["records read", *rows], "proteins": [read.records, *rows.values()]}
    )


def _multiqc(batch: str, gathered: Gathered) -> pd.DataFrame:
    row = {"Sample": batch, "proteins": gathered.proteins, "domains": len(gathered.confidence)}
    return pd.DataFrame([row | {name: gathered.outcomes[name] for name in OUTCOMES}])
