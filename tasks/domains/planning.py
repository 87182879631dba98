"""What a run over domains will do, and all that can be wrong with it before it begins."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pandas as pd
from prefect import Task

from blocks.batch_items import find_batch
from blocks.database import engine
from blocks.errors import InputError, InputProblems, Problem
from blocks.file_versions import files_in, is_young
from blocks.settings import settings
from blocks.storage import FileRef, filesystem_of, in_data, iter_table, open_uri, refer
from tasks.domains.initialise import Source, read_sheet
from tasks.domains.model import DomainsParams, ProteinInput
from tasks.domains.outcome import SEARCHES, Limits, Read, ReferenceRef, SearchJob
from tasks.domains.reference import Reference, changed_files, open_reference
from tasks.domains.reference_jobs import references_folder
from tasks.domains.search_jobs import deciding, evidence_store, search_of
from tasks.domains.searching import search_versions
from tasks.domains.stages import initialise
from tasks.items import StageResult
from tasks.policies import call, run_logger
from tasks.sequence_files import SUFFIXES


@dataclass(frozen=True, slots=True)
class Files:
    """The files of an input."""

    found: tuple[FileRef, ...]
    prefixes: tuple[str, ...]
    waiting: tuple[str, ...] = ()
    """Files of a folder that have just changed; the next run takes them."""
    is_folder: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run that can begin."""

    params: DomainsParams
    files: Files
    reference: Reference
    ref: ReferenceRef
    versions: dict[str, str]


def prepare(params: DomainsParams) -> Prepared:
    """Files, reference and programs, all of them there.

    Raises:
        InputError: One of them is not.
    """
    if params.proteins == "failed":
        find_batch(engine(), params.batch_name)
    reference = open_reference(_reference_place(params.reference))
    if params.mode == "FULL":
        reference.require_hhsuite()
    versions = search_versions(reference, params.search, hhsearch=params.mode != "BLAST_ONLY")
    ref = ReferenceRef(folder=str(reference.folder), fingerprint=reference.manifest.fingerprint)
    return Prepared(params, files_of(params.input), reference, ref, versions)


def annotation_key(run: Prepared) -> str:
    """What decides an annotation besides the sequence; with another, a protein counts as new.

    Versions of programs do not: nobody wants to begin again because of an upgrade.
    """
    params = run.params
    search = params.search.model_dump(mode="json")
    parts = {
        "reference": run.ref.fingerprint,
        "mode": params.mode,
        "hhsearch_below_coverage": params.hhsearch_below_coverage,
        "search": {
            name: deciding(given) if isinstance(given, dict) else given
            for name, given in deciding(search).items()
        },
        "partition": params.partition.model_dump(mode="json"),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _reference_place(given: str) -> str:
    """A folder, or that of a reference of this name beside the results."""
    place = in_data(given)
    if "/" in given or Path(place).is_dir() or "://" in settings().results:
        return place
    built = references_folder()
    if not (built / given).is_dir():
        known = sorted(one.name for one in built.glob("*") if one.is_symlink())
        named = f"one of {', '.join(known)}" if known else "one that was built; there is none"
        raise InputError(
            f"reference {given!r}: not known; expected {named} in {built}, or the path of one"
        )
    return str(built / given)


def files_of(given: ProteinInput) -> Files:
    """The files that an input names, with their digests.

    Raises:
        InputError: A file is missing; all that are missing are told.
    """
    if given.samplesheet:
        with open_uri(in_data(given.samplesheet)) as file:
            text = file.read().decode("utf-8-sig", errors="replace")
        return _referred(read_sheet(text, given.samplesheet), given.samplesheet)
    place = in_data(given.sequences)
    filesystem, path = filesystem_of(place)
    if not filesystem.isdir(path):
        return Files((refer(place),), ("",))
    files = [one for one in files_in(place) if _is_sequences(one.uri)]
    young = {one.uri for one in files if is_young(one, given.settle_s)}
    found = tuple(refer(one.uri) for one in files if one.uri not in young)
    return Files(found, ("",) * len(found), tuple(sorted(young)), is_folder=True)


def _referred(sources: tuple[Source, ...], sheet: str) -> Files:
    found, problems = [], []
    for source in sources:
        try:
            found.append(refer(source.place, settings().data))
        except InputError:
            where = f"{sheet}, sample {source.prefix!r}: {in_data(source.place)}"
            problems.append(Problem(where, "cannot be read", "a file that is there"))
    if problems:
        raise InputProblems(problems)
    return Files(tuple(found), tuple(source.prefix for source in sources))


def _is_sequences(name: str) -> bool:
    last = name.rsplit("/", 1)[-1].lower().removesuffix(".gz")
    known = tuple(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
    return last.endswith(known)


def read_input(run: Prepared) -> Read:
    """The proteins, read and checked.

    Raises:
        InputProblems: All that is wrong; a folder's bad files are left out where errors are to be
            continued on.
    """
    given = run.params.input
    arguments: dict[str, Any] = {
        "files": run.files.found,
        "prefixes": run.files.prefixes,
        "format_": given.format,
        "columns": (given.id_column, given.sequence_column),
        "peptide_below": run.params.partition.peptide_below,
    }
    task = cast("Task[..., StageResult]", initialise)
    read = cast(Read, call(task, "initialise", arguments, run.params.refresh))
    if read.refused and not (run.files.is_folder and run.params.continue_on_error):
        raise InputProblems([Problem(*one) for found in read.refused.values() for one in found])
    for remark in read.remarks():
        run_logger().warning(remark)
    return read


def job_of(run: Prepared, started: datetime) -> SearchJob:
    """What all searches have in common."""
    params = run.params
    return SearchJob(
        batch=params.batch_name,
        reference=run.ref,
        settings=params.search,
        versions=run.versions,
        peptide_below=params.partition.peptide_below,
        limits=Limits(
            stage_s=params.stage_limit_s,
            until=started.timestamp() + params.total_limit_s,
            continue_on_error=params.continue_on_error,
        ),
        search=params.mode != "ANALYSIS_ONLY",
        refresh=params.refresh,
    )


def plan_frame(run: Prepared, read: Read, job: SearchJob) -> pd.DataFrame:
    """A row for each search: proteins, those that are stored, those that are to be searched."""
    wanted = dict.fromkeys(SEARCHES, 0)
    stored = dict.fromkeys(SEARCHES, 0)
    total = 0
    store = evidence_store()
    for chosen, digests in _chosen_digests(run, read):
        total += chosen
        for name in SEARCHES:
            if name != "hhsearch" or run.params.mode != "BLAST_ONLY":
                unique = list(dict.fromkeys(digests))
                wanted[name] += len(unique)
                stored[name] += len(store.found(search_of(name, job), unique))
    rows = []
    for name in SEARCHES:
        if not wanted[name]:
            continue
        left = wanted[name] - stored[name]
        bound = "≤ " if name == "hhsearch" and left else ""
        todo = f"{bound}{left:,}" if job.search else "0"
        rows.append(
            {
                "stage": name.replace("_", " "),
                "proteins": f"{wanted[name]:,}",
                "stored": f"{stored[name]:,}",
                "to search": todo,
                "missing": "" if job.search or name == "hhsearch" else f"{left:,}",
            }
        )
    last = dict.fromkeys(("stored", "to search", "missing"), "")
    rows.append({"stage": "partition", "proteins": f"{total:,}", **last})
    return pd.DataFrame(rows)


def require_stored(frame: pd.DataFrame, job: SearchJob) -> None:
    """Raise where nothing is stored of what is only to be analysed.

    Raises:
        InputError: With what is missing; where some of it is there, the rest fails by itself.
    """
    blasted = frame[frame["stage"].str.endswith("blast")]
    if not job.search and len(blasted) and not (blasted["missing"] != blasted["proteins"]).any():
        told = ", ".join(f"{row.missing} {row.stage}" for row in blasted.itertuples())
        expected = "evidence of these proteins, reference and settings"
        raise InputError(
            f"mode ANALYSIS_ONLY: missing {told}; expected {expected}: run FULL or BLAST_ONLY first"
        )


def require_unchanged(run: Prepared) -> None:
    """Raise where a file that the run will read is not as it was built, though of the same size.

    What is found in it would be stored for all who have the reference.

    Raises:
        InputError: With the files.
    """
    unread = {"FULL": (), "BLAST_ONLY": ("hhsuite/",), "ANALYSIS_ONLY": ("hhsuite/", "blast/")}
    if changed := changed_files(run.reference, unread[run.params.mode]):
        told = f"{', '.join(changed)}: not what was built (another digest than its manifest has)"
        raise InputError(
            f"{run.reference.folder}: {told}; expected a reference that is whole: build it again"
        )


def _chosen_digests(run: Prepared, read: Read) -> Iterator[tuple[int, list[str]]]:
    """How many proteins the run would work on, and digests of those that it would search."""
    which, batch = run.params.proteins, None
    if which != "all":
        with suppress(InputError):  # a batch that begins: all are new
            batch = find_batch(engine(), run.params.batch_name)
    for frame in iter_table(read.table):
        sound = frame[~frame["source"].isin(list(read.refused))]
        if batch is not None:
            known = batch.chosen(sound["id"].tolist(), which)
            sound = sound[sound["id"].isin(known)]
        searched = sound["sequence"].str.len() >= run.params.partition.peptide_below
        yield len(sound), sound.loc[searched, "digest"].tolist()
