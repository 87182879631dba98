"""A reference on Prefect: one task for each part, and one that puts the parts together.

Parts lie in folders that are named for all that decides them, so one that is there is not made
again; references link to their files.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from prefect import Task
from prefect.futures import PrefectFuture

from blocks.masking import mask
from blocks.storage import writable
from tasks.domains import hhsuite_building, profile_building, reference_parts
from tasks.domains.part_jobs import (
    BlastJob,
    HhsuiteJob,
    ProfilesJob,
    ReferenceJobs,
    TablesJob,
)
from tasks.domains.parts import PartContent, is_part, read_part
from tasks.domains.reference import open_reference
from tasks.domains.reference_jobs import PARTS
from tasks.domains.reference_model import ReferenceManifest, ReferenceParams
from tasks.fingerprint import cache_key
from tasks.parameters import Record
from tasks.policies import delivery, external_tool, is_cached, run_logger
from tasks.sequence_files import read_sequences

Job = TypeVar("Job", TablesJob, BlastJob, ProfilesJob, HhsuiteJob)
Started = PrefectFuture[PartContent]

TABLES = tuple(
    f"tasks.domains.{name}"
    for name in ("ecod_release", "ranges", "reference_checks", "reference_reading", "table_files")
)
BLAST = ("tasks.domains.blast",)
PROFILES = tuple(
    f"tasks.domains.{name}"
    for name in ("ffindex", "hmmer", "mmseqs_profiles", "profile_building", "profiles")
)
HHSUITE = tuple(f"tasks.domains.{name}" for name in ("ffindex", "hhsuite", "hhsuite_building"))
KEY_LETTERS = 24


class ReferenceResult(Record):
    """A reference that was built, or what a build would do."""

    folder: str = ""
    """What a run of the domains pipeline is given."""
    fingerprint: str = ""
    domains: int = 0
    chains: int = 0
    parts_made: int = 0
    parts_there: int = 0
    """Parts that an earlier build had made."""
    notes: tuple[str, ...] = ()
    versions: dict[str, str] = {}  # noqa: RUF012 -- pydantic copies it
    inputs: dict[str, str] = {}  # noqa: RUF012
    digests: dict[str, str] = {}  # noqa: RUF012
    plan: tuple[dict[str, str], ...] = ()


@external_tool(*TABLES)
def make_tables(job: TablesJob) -> PartContent:
    """Read and check the inputs; write tables and sequences."""
    with writable(job.folder):
        return reference_parts.build_tables(Path(job.folder), job.content())


@external_tool(*BLAST)
def make_blast(job: BlastJob) -> PartContent:
    """Make a BLAST database of the domains or the chains."""
    fasta = Path(job.tables, f"{job.kind}.fasta")
    with writable(job.folder):
        return reference_parts.build_blast(Path(job.folder), fasta, job.kind, job.time_limit_s)


@external_tool(*PROFILES)
def make_profiles(job: ProfilesJob) -> PartContent:
    """Make an alignment of each domain."""
    tables = Path(job.tables)
    own = [tables / "domains.fasta", tables / "chains.fasta"]
    universe = [Path(path) for path in job.searched] or [p for p in own if p.stat().st_size]
    with writable(job.folder):
        content = profile_building.build_profiles(
            Path(job.folder),
            _sequences(tables / "domains.fasta"),
            universe,
            params=job.params,
            settings=job.settings,
            threads=job.threads,
            time_limit_s=job.time_limit_s,
        )
    run_logger().info("alignments: %s", _told(content))
    return content


@external_tool(*HHSUITE)
def make_hhsuite(job: HhsuiteJob) -> PartContent:
    """Put the HH-suite database together, and search it once."""
    sequences = _sequences(Path(job.profiles.tables) / "domains.fasta")
    with writable(job.folder):
        content = hhsuite_building.build_hhsuite(
            Path(job.folder),
            Path(job.profiles.folder),
            {name: len(sequence) for name, sequence in sequences.items()},
            params=job.params,
            settings=job.settings,
            threads=job.profiles.threads,
            time_limit_s=job.profiles.time_limit_s,
        )
    run_logger().info("HH-suite database: %s", _told(content))
    return content


def _told(content: PartContent) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in content.counts.items())


def _sequences(fasta: Path) -> dict[str, str]:
    with fasta.open("rb") as file:
        frames = list(read_sequences(file, fasta.name, "fasta"))
    return {
        name: sequence
        for frame in frames
        for name, sequence in zip(frame["id"], frame["sequence"], strict=True)
    }


def placed(jobs: ReferenceJobs) -> ReferenceJobs:
    """The jobs with the folders of their parts, which are named for what decides them."""
    parts = Path(jobs.place, PARTS)
    tables = _placed(jobs.tables, make_tables, TABLES, parts / "tables")
    blast = tuple(
        _placed(
            job.model_copy(update={"tables": tables.folder}), make_blast, BLAST, parts / "blast"
        )
        for job in jobs.blast
    )
    profiles = hhsuite = None
    if jobs.profiles is not None and jobs.hhsuite is not None:
        profiles = jobs.profiles.model_copy(update={"tables": tables.folder})
        profiles = _placed(profiles, make_profiles, PROFILES, parts / "profiles")
        hhsuite = jobs.hhsuite.model_copy(update={"profiles": profiles})
        hhsuite = _placed(hhsuite, make_hhsuite, HHSUITE, parts / "hhsuite")
    return jobs.model_copy(
        update={"tables": tables, "blast": blast, "profiles": profiles, "hhsuite": hhsuite}
    )


def _placed(job: Job, task: Task[..., PartContent], modules: tuple[str, ...], stem: Path) -> Job:
    key = cache_key(task.fn, modules, {"job": job})[:KEY_LETTERS]
    return job.model_copy(update={"folder": f"{stem}-{key}"})


def parts_of(jobs: ReferenceJobs) -> dict[str, tuple[Task[..., PartContent], Any]]:
    """Name of each part -> its task and job, in the order in which they are made."""
    named: dict[str, tuple[Task[..., PartContent], Any]] = {"tables": (make_tables, jobs.tables)}
    named |= {f"blast {job.kind}": (make_blast, job) for job in jobs.blast}
    if jobs.profiles is not None:
        named["profiles"] = (make_profiles, jobs.profiles)
    if jobs.hhsuite is not None:
        named["hhsuite"] = (make_hhsuite, jobs.hhsuite)
    return named


def is_done(task: Task[..., PartContent], job: Any) -> bool:  # noqa: ANN401 -- one of the jobs
    """Whether a part is there, with its stored result."""
    return is_part(Path(job.folder)) and is_cached(task, {"job": job})


def built_parts(jobs: ReferenceJobs, *, refresh: bool) -> dict[str, bool]:
    """Make all parts; name -> whether it was there. Independent ones are made side by side."""
    futures: dict[str, Started] = {}
    needs = {"profiles": ["tables"], "hhsuite": ["profiles"]}
    for name, (task, job) in parts_of(jobs).items():
        waited = [futures[one] for one in needs.get(name, ["tables"] if futures else [])]
        options: dict[str, Any] = {
            "task_run_name": name,
            "refresh_cache": True if refresh or not is_part(Path(job.folder)) else None,
        }
        started = task.with_options(**options).submit(job, wait_for=waited)
        futures[name] = started
    for future in futures.values():
        future.wait()
    for future in futures.values():
        if future.state.is_failed() and future.state.name != "NotReady":
            future.result()
    for future in futures.values():
        future.result()
    return {name: future.state.name == "Cached" for name, future in futures.items()}


@delivery
def assemble(jobs: ReferenceJobs, params: ReferenceParams) -> str:
    """Put the parts together; the reference's name then points to the new folder."""
    tables = read_part(Path(jobs.tables.folder))
    parts = [("", Path(jobs.tables.folder))]
    identity: dict[str, object] = {"levels": params.source.levels, "tables": tables.digests}
    parts += [("blast", Path(job.folder)) for job in jobs.blast]
    identity["blast"] = [[job.kind, job.version] for job in jobs.blast]
    depth = 0.0
    if jobs.profiles is not None and jobs.hhsuite is not None:
        profiles = read_part(Path(jobs.profiles.folder))
        depth = profiles.counts["mean_depth"]
        parts.append(("hhsuite", Path(jobs.hhsuite.folder)))
        identity["profiles"] = [profiles.digests, jobs.hhsuite.settings, params.hhsuite.hmms]
    kinds = {job.kind for job in jobs.blast}
    manifest = ReferenceManifest(
        name=params.name,
        fingerprint="",
        levels=params.source.levels,
        domains=jobs.domains,
        chains=jobs.chains,
        residues=int(tables.counts["residues"]),
        blast_domains="domains" in kinds,
        blast_chains="chains" in kinds,
        hhsuite=jobs.hhsuite is not None,
        states=params.hhsuite.states if jobs.hhsuite is not None else "none",
        mean_depth=depth,
        source=", ".join(ref.uri.rsplit("/", 1)[-1] for ref in jobs.tables.files.values()),
        inputs={name: ref.digest for name, ref in jobs.tables.files.items()},
        versions=jobs.versions,
        notes=tables.notes,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    with writable(jobs.place):
        return str(reference_parts.assemble(Path(jobs.place), parts, manifest, identity))


def result_of(
    folder: str, params: ReferenceParams, jobs: ReferenceJobs, made: dict[str, bool]
) -> ReferenceResult:
    """What a build hands back; the reference is opened once."""
    reference = open_reference(folder)
    manifest = reference.manifest
    there = sum(made.values())
    return ReferenceResult(
        folder=str(reference.folder.parent / params.name),
        fingerprint=manifest.fingerprint,
        domains=manifest.domains,
        chains=manifest.chains,
        parts_made=len(made) - there,
        parts_there=there,
        notes=manifest.notes,
        versions=manifest.versions,
        inputs=mask({ref.uri: ref.digest for ref in jobs.tables.files.values()}),
        digests={"reference": manifest.fingerprint},
    )
