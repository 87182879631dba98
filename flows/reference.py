"""A reference of domains: tables, BLAST databases, profiles, an HH-suite database.

Inputs are read and checked, and all programs looked for, before anything is made. What an earlier
build has made and what has not changed since is taken over. Runs of the domains pipeline are given
the folder at the end.
"""

import pandas as pd

from tasks.announcing import announce_table
from tasks.domains import reference_stages as stages
from tasks.domains.part_jobs import ReferenceJobs
from tasks.domains.reference_jobs import jobs_of
from tasks.domains.reference_model import ReferenceParams
from tasks.domains.reference_stages import ReferenceResult
from tasks.policies import given_params, pipeline, run_logger

MADE_OF = {
    "tables": "domains, chains, ranges, classes",
    "blast domains": "makeblastdb",
    "blast chains": "makeblastdb",
    "profiles": "an alignment of each domain",
    "hhsuite": "HH-suite database; searched once",
}


def run_name() -> str:
    """Name of a run in the UI: which reference."""
    given = given_params()
    return str(given.get("name", "reference")) + ("-plan" if given.get("dry_run") else "")


@pipeline("reference", flow_run_name=run_name)
def build(params: ReferenceParams) -> ReferenceResult:
    """Build a reference of domains, or what has changed of it."""
    jobs = stages.placed(jobs_of(params))
    frame = _plan_frame(jobs, refresh=params.refresh)
    announce_table("reference-plan", "What this run does", frame)
    for note in jobs.notes:
        run_logger().warning("%s: %s", params.name, note)
    if params.dry_run:
        run_logger().info("Nothing was built:\n%s", frame.to_string(index=False))
        return ReferenceResult(
            domains=jobs.domains,
            chains=jobs.chains,
            notes=jobs.notes,
            plan=tuple(frame.to_dict("records")),
        )
    made = stages.built_parts(jobs, refresh=params.refresh)
    folder = stages.assemble.with_options(task_run_name="assemble")(jobs, params)
    result = stages.result_of(folder, params, jobs, made)
    run_logger().info("%s: %d domains, %s", result.folder, result.domains, result.fingerprint)
    return result


def plan(params: ReferenceParams) -> tuple[str, pd.DataFrame]:
    """What a run would do, as text and table; without Prefect's engine, and without building."""
    jobs = stages.placed(jobs_of(params.model_copy(update={"dry_run": True})))
    told = [f"{jobs.domains} domains, {jobs.chains} chains, into {jobs.place}", *jobs.notes]
    return "\n".join(told), _plan_frame(jobs, refresh=params.refresh)


def _plan_frame(jobs: ReferenceJobs, *, refresh: bool) -> pd.DataFrame:
    parts = stages.parts_of(jobs)
    done = {name: not refresh and stages.is_done(*part) for name, part in parts.items()}
    return pd.DataFrame(
        {
            "part": list(parts),
            "what": [MADE_OF[name] for name in parts],
            "to do": ["nothing, is there" if done[name] else "make" for name in parts],
        }
    )
