"""Variant libraries on Prefect: the scoring, and what writes the folders of runs.

results/variants/<run>/             enrichment
    report.html                     open this
    variants.tsv effects.tsv        a row per variant with a score, per single substitution
    unscored.tsv                    the others, and why
    counts.tsv samples.tsv          reads of each variant in each sample; reads by reason
    best.fasta parent.fasta         the parent and the best variants; the parent
    positions.tsv | library …       of the other two flows
"""

import json
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np
import pandas as pd
from isal import igzip

from blocks.masking import mask
from blocks.settings import settings
from blocks.storage import Storage, Table, in_data, read_bytes, read_table, refer
from tasks.items import Counts, StageResult
from tasks.policies import compute, current_run, delivery, run_logger
from tasks.results import MANIFEST, RunFolder, run_folder
from tasks.sequence_files import fasta_text
from tasks.variants.counts import REASONS, counted
from tasks.variants.effects import additive_effects
from tasks.variants.jobs import VariantsJob
from tasks.variants.model import (
    LibraryResult,
    PositionsParams,
    PositionsResult,
    VariantsParams,
    VariantsResult,
)
from tasks.variants.page import VariantsPage, positions_page, variants_page
from tasks.variants.positions import GAIN, SENSITIVE
from tasks.variants.region import WILD_TYPE
from tasks.variants.scoring import count_table, scored
from tasks.variants.simulation import LibraryParams, fastq, library_of, rounds_of

FOLDER = "variants"
PAGE = "report.html"
LIBRARIES = ("seqloom", "numpy", "pandas", "biopython", "prefect")
SCORING = tuple(
    f"tasks.variants.{name}" for name in ("counts", "effects", "enrichment", "region", "scoring")
)


class Scored(StageResult):
    """Tables of one library; `counts` are reads."""

    variants: Table
    effects: Table
    by_sample: Table
    totals: Table


@compute(*SCORING)
def score(job: VariantsJob) -> Scored:
    """Count the variants of each sample and score them."""
    region, samples = job.region, job.every_sample
    found = {
        one.name: counted(
            json.loads(read_bytes(job.counts[one.name])), region, job.max_substitutions
        )
        for one in samples
    }
    table = count_table(samples, {name: one.counts for name, one in found.items()})
    variants = scored(
        table, samples, region,
        min_count=job.min_count, pseudocount=job.pseudocount, reference=job.reference,
    )  # fmt: skip
    totals = pd.DataFrame(
        [
            {
                "sample": one.name,
                "round": one.round,
                "replicate": one.replicate,
                "reads": sum(found[one.name].counts.values()) + sum(found[one.name].lost.values()),
                "of variants": sum(found[one.name].counts.values()),
                **{reason: found[one.name].lost.get(reason, 0) for reason in REASONS},
            }
            for one in samples
        ]
    )
    storage = Storage(settings().storage)
    whole, kept = int(totals["reads"].sum()), int(totals["of variants"].sum())
    return Scored(
        stage="score",
        counts=Counts(items_in=whole, items_out=kept, items_dropped=whole - kept, computed=whole),
        variants=storage.write_table(variants),
        effects=storage.write_table(additive_effects(variants)),
        by_sample=storage.write_table(table.reset_index()),
        totals=storage.write_table(totals),
    )


@delivery
def deliver_variants(
    params: VariantsParams, job: VariantsJob, found: Scored, started: datetime
) -> VariantsResult:
    """The folder of an enrichment: tables, best variants, page, manifest."""
    variants, effects = read_table(found.variants), read_table(found.effects)
    totals, region = read_table(found.totals), job.region
    known = variants[variants["rank"] > 0]
    best = known[(known["variant"] != WILD_TYPE) & (known["lower"] > 0)].head(params.top)
    run = current_run(started)
    versions = versions_now()
    with run_folder(settings().results, FOLDER, run.id) as (folder, uri):
        folder.csv("variants.tsv", known.drop(columns="reason"), separator="\t")
        few = variants.loc[
            variants["rank"] == 0, ["variant", "count_first", "count_last", "reason"]
        ]
        folder.csv("unscored.tsv", few, separator="\t")
        folder.csv("effects.tsv", effects, separator="\t")
        folder.csv("counts.tsv", read_table(found.by_sample), separator="\t")
        folder.csv("samples.tsv", totals, separator="\t")
        folder.parquet("tables/variants.parquet", variants)
        whole = len(region.protein)
        unstopped = best[best["sequence"].str.len() == whole]
        ids = ["parent", *unstopped["variant"].tolist()]
        sequences = [region.protein, *unstopped["sequence"].tolist()]
        folder.text("best.fasta", "".join(fasta_text(ids, sequences)))
        folder.text("parent.fasta", "".join(fasta_text(ids[:1], sequences[:1])))
        folder.multiqc("variants", "Variants", totals.rename(columns={"sample": "Sample"}))
        facts = {name: str(value) for name, value in params.model_dump(mode="json").items()}
        seconds = (datetime.now(UTC) - started).total_seconds()
        shown = VariantsPage(
            _subtitle(run.name, started), seconds, region, variants, effects, totals,
            facts | versions, _names(folder),
        )  # fmt: skip
        folder.text(PAGE, variants_page(shown))
        folder.json("pipeline_info/params.json", mask(params.model_dump(mode="json")))
        folder.versions(versions)
        result = VariantsResult(
            folder=uri,
            page=f"{uri}/{PAGE}",
            samples=len(job.samples),
            reads=int(totals["reads"].sum()),
            variants=len(known),
            unscored=len(variants) - len(known),
            lost={reason: int(totals[reason].sum()) for reason in REASONS},
            effects=dict(zip(effects["substitution"], effects["effect"].round(6), strict=True)),
            inputs=mask(_digests(job, params)),
            versions=versions,
            digests=folder.checksums("*.tsv", "*.fasta", "*.csv"),
        )
        _manifest(folder, run.name, started, result.model_dump(mode="json"))
    run_logger().info("%d variants scored; page: %s", len(known), result.page)
    return result


def _digests(job: VariantsJob, params: VariantsParams) -> dict[str, str]:
    others = [refer(in_data(place)) for place in (params.samples, params.parent)]
    return {ref.uri: ref.digest for ref in (*job.counts.values(), *others)}


@delivery
def deliver_positions(
    params: PositionsParams, table: pd.DataFrame, domains: tuple[str, ...], started: datetime
) -> PositionsResult:
    """The folder of a run over positions."""
    run = current_run(started)
    versions = versions_now()
    degraded = not params.domains
    note = "Domains are unknown: positions count wherever they are." if degraded else ""
    with run_folder(settings().results, FOLDER, run.id, newest=False) as (folder, uri):
        folder.csv("positions.tsv", table, separator="\t")
        facts = {name: str(value) for name, value in params.model_dump(mode="json").items()}
        subtitle = _subtitle(run.name, started)
        page = positions_page(table, subtitle, facts | versions, _names(folder), note)
        folder.text(PAGE, page)
        folder.json("pipeline_info/params.json", mask(params.model_dump(mode="json")))
        folder.versions(versions)
        given = [params.effects, params.parent, *([params.domains] if params.domains else [])]
        read = [refer(in_data(place)) for place in given]
        result = PositionsResult(
            folder=uri,
            page=f"{uri}/{PAGE}",
            gains=len(_of_kind(table, GAIN)),
            gain=_of_kind(table, GAIN),
            sensitive=_of_kind(table, SENSITIVE),
            domains=domains,
            degraded=degraded,
            inputs=mask({ref.uri: ref.digest for ref in read}),
            versions=versions,
            digests=folder.checksums("*.tsv", "*.fasta", "*.csv"),
        )
        _manifest(folder, run.name, started, result.model_dump(mode="json"))
    run_logger().info("%d positions gain; page: %s", len(result.gain), result.page)
    return result


def _of_kind(table: pd.DataFrame, kind: str) -> tuple[int, ...]:
    return tuple(int(place) for place in table.loc[table["kind"] == kind, "position"])


@delivery
def deliver_library(params: LibraryParams, protein: str, started: datetime) -> LibraryResult:
    """The folder of a simulated library: reads, samplesheet, parent, truth."""
    library = library_of(params, protein, np.random.default_rng(params.seed))
    run = current_run(started)
    versions = versions_now()
    rows = []
    with run_folder(settings().results, FOLDER, run.id, newest=False) as (folder, uri):
        for replicate in range(1, params.replicates + 1):
            rng = np.random.default_rng([params.seed, replicate])
            for number, counts in rounds_of(library, params, rng):
                sample = f"round{number}_rep{replicate}"
                text = fastq(library, counts, params.flank, rng)
                name = f"reads/{sample}.fastq.gz"
                folder.file(name).write_bytes(igzip.compress(text, mtime=0))
                rows.append((sample, f"{uri}/{name}", number, replicate))
        sheet = pd.DataFrame(rows, columns=["sample", "fastq_1", "round", "replicate"])
        folder.csv("samples.csv", sheet)
        folder.text("parent.fna", "".join(fasta_text(["parent"], [library.region.coding])))
        folder.csv("truth.tsv", library.variants, separator="\t")
        folder.csv("truth_effects.tsv", library.effects, separator="\t")
        folder.json("pipeline_info/params.json", mask(params.model_dump(mode="json")))
        folder.versions(versions)
        source = refer(in_data(params.protein))
        result = LibraryResult(
            folder=uri,
            samples=len(rows),
            variants=len(library.variants) - 1,
            planted=int(library.variants["planted"].sum()),
            reads=params.reads * len(rows),
            inputs=mask({source.uri: source.digest}),
            versions=versions,
            digests=folder.checksums("*.tsv", "*.fasta", "*.csv"),
        )
        _manifest(folder, run.name, started, result.model_dump(mode="json"))
    run_logger().info("%d reads of %d variants: %s", result.reads, result.variants, uri)
    return result


def versions_now() -> dict[str, str]:
    """Of everything that computes."""
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


def _names(folder: RunFolder) -> list[str]:
    others = {PAGE, MANIFEST, "checksums.sha256", "pipeline_info/params.json"}
    return sorted(folder.names() | others)


def _subtitle(name: str, started: datetime) -> str:
    return f"{name}, {started:%Y-%m-%d %H:%M:%S} UTC"


def _manifest(folder: RunFolder, run: str, started: datetime, result: Mapping[str, object]) -> None:
    began = f"{started:%Y-%m-%d %H:%M:%S} UTC"
    folder.json(MANIFEST, {"run": run, "started": began, **result})
