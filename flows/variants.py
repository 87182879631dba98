"""Variant libraries: counts and enrichment over rounds, positions that matter, simulated data.

Reads are counted by `reads` (a step QuantifyTag over the mutated region); here they become
variants with scores. What is computed stands in `tasks.variants`.
"""

from datetime import UTC, datetime

import pandas as pd

from blocks.errors import InputError
from blocks.settings import settings
from tasks.announcing import announce_link, announce_table
from tasks.policies import given_params, pipeline
from tasks.results import require_writable
from tasks.variants import stages
from tasks.variants.jobs import VariantsJob, coding_of, job_of, protein_of, text_of
from tasks.variants.model import (
    LibraryResult,
    PositionsParams,
    PositionsResult,
    VariantsParams,
    VariantsResult,
)
from tasks.variants.positions import position_table
from tasks.variants.region import region_of
from tasks.variants.sample_table import read_domains, table_rows
from tasks.variants.simulation import LibraryParams, protein_fault


def run_name() -> str:
    """Name of a run in the UI: which counts."""
    return f"enrichment-{_last_part('counts')}"


def positions_name() -> str:
    """Name of a run over positions: which effects."""
    return f"positions-{_last_part('parent')}"


def library_name() -> str:
    """Name of a simulation: which seed."""
    given = given_params()
    return f"library-seed{given.get('seed', 1)}"


def _last_part(name: str) -> str:
    given = given_params()
    return str(given.get(name, "")).rstrip("/").rsplit("/", 1)[-1]


@pipeline("variants", flow_run_name=run_name)
def enrichment(params: VariantsParams) -> VariantsResult:
    """Score the variants of a library by how they are enriched; see the README for the tables."""
    started = datetime.now(UTC)
    job = job_of(params)
    announce_table("variants-plan", "What this run does", _plan_frame(job))
    require_writable(settings().results)
    score = stages.score.with_options(task_run_name="score variants", refresh_cache=params.refresh)
    found = score(job)
    deliver = stages.deliver_variants.with_options(task_run_name="write results")
    result = deliver(params, job, found, started)
    announce_link("variants-page", "The page of this run", result.page)
    return result


@pipeline("variants", flow_run_name=positions_name)
def positions(params: PositionsParams) -> PositionsResult:
    """Say which positions of the parent gain, which are sensitive, and in which domain they lie."""
    started = datetime.now(UTC)
    region = region_of(coding_of(params), params.first_residue, params.length_nt)
    needed = ("substitution", "effect", "error")
    rows = table_rows(text_of(params.effects), params.effects, needed, least=0)
    effects = pd.DataFrame(rows, columns=list(needed))
    try:
        effects = effects.astype({"effect": float, "error": float})
    except ValueError as error:
        raise InputError(f"{params.effects}: {error}; expected numbers") from None
    domains = read_domains(text_of(params.domains), params.domains) if params.domains else []
    require_writable(settings().results)
    table = position_table(effects, region, domains)
    deliver = stages.deliver_positions.with_options(task_run_name="write results")
    inside = tuple(dict.fromkeys(name for name in table["domain"] if name))
    result = deliver(params, table, inside, started)
    announce_table("variants-positions", "Positions", table)
    announce_link("variants-page", "The page of this run", result.page)
    return result


@pipeline("variants", flow_run_name=library_name)
def simulate(params: LibraryParams) -> LibraryResult:
    """Make reads of a variant library of which everything is known."""
    started = datetime.now(UTC)
    protein = protein_of(params.protein, params.protein_id)
    if fault := protein_fault(protein):
        raise InputError(f"{params.protein}: {fault}")
    require_writable(settings().results)
    deliver = stages.deliver_library.with_options(task_run_name="draw and write")
    return deliver(params, protein, started)


def plan(params: VariantsParams) -> tuple[str, pd.DataFrame]:
    """What a run would do, as text and table; without Prefect's engine, and without counting."""
    job = job_of(params)
    region = job.region
    told = f"residues {region.first} to {region.first + region.codons - 1}"
    return f"{len(job.samples)} samples, {told}", _plan_frame(job)


def _plan_frame(job: VariantsJob) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "sample": [one.name for one in job.every_sample],
            "round": [str(one.round) for one in job.every_sample],
            "replicate": [str(one.replicate) for one in job.every_sample],
            "counts": [job.counts[one.name].uri for one in job.every_sample],
        }
    )
