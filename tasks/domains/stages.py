"""Domains on Prefect: tasks over chunks of proteins.

    initialise ─ cut ─┬─ chain BLAST ──┬─ uncovered ─ profiles ─ HHsearch ─┬─ register ─ summarise
                      └─ domain BLAST ─┘    (FULL, in parts of a chunk)    ┘      └─ partition

Searches go through the evidence store, protein by protein, and are never answered from a stored
result as a whole: what failed is asked again. What computes is cached as any stage.
"""

import gzip
import hashlib
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from blocks.batch_items import find_batch
from blocks.database import engine
from blocks.prediction_key import sequence_digests
from blocks.settings import settings
from blocks.storage import FileRef, Storage, Table, iter_table, open_uri, read_table
from tasks.domains.annotating import annotate_each
from tasks.domains.calls import ANNOTATION, Annotation
from tasks.domains.evidence import EVIDENCE_COLUMNS, EVIDENCE_SCHEMA
from tasks.domains.initialise import COLUMNS as PROTEIN_COLUMNS
from tasks.domains.initialise import Source, Tally, length_class, read_proteins
from tasks.domains.keeping import evidence_of
from tasks.domains.model import Which
from tasks.domains.outcome import (
    SEARCHES,
    Chunk,
    Cut,
    Partitioned,
    Read,
    ReferenceRef,
    Registered,
    Searched,
    SearchJob,
    Summarised,
)
from tasks.domains.partition_settings import PartitionSettings
from tasks.domains.search_jobs import (
    EVIDENCE_MODULES,
    PARTITION_MODULES,
    evidence_store,
    kept_of,
    opened,
    proteins_of,
    search_of,
)
from tasks.items import Counts
from tasks.policies import compute, delivery, run_logger
from tasks.sequence_files import Format
from tasks.sequences import Layout

READING = ("tasks.domains.initialise", "tasks.sequence_files", "tasks.sequences")
CUT_ROWS = 10_000


@compute(*READING)
def initialise(
    files: tuple[FileRef, ...],
    prefixes: tuple[str, ...],
    format_: Format,
    columns: tuple[str, str],
    peptide_below: int,
) -> Read:
    """Read and check all proteins; one table, written as it is read."""
    tally = Tally()
    layout = Layout(id_column=columns[0], sequence_column=columns[1])
    sources = [Source(file.uri, prefix) for file, prefix in zip(files, prefixes, strict=True)]
    frames = read_proteins(
        sources, open_uri, sequence_digests, tally, format_=format_, layout=layout
    )
    with Storage(settings().storage).table_writer() as (writer, done):
        writer.write(pd.DataFrame(columns=list(PROTEIN_COLUMNS), dtype="str"))
        for frame in frames:
            tally.lengths.update(
                length_class(n, peptide_below) for n in frame["sequence"].str.len()
            )
            writer.write(frame)
    run_logger().info("%d records in %d files", tally.records, len(files))
    refused = {
        place: tuple((one.where, one.what, one.expected) for one in problems)
        for place, problems in tally.refused.items()
    }
    return Read(
        stage="initialise",
        table=done[0],
        records=tally.records,
        repeated=tally.repeated,
        lengths=dict(tally.lengths),
        nucleotides=tally.nucleotides,
        first_nucleotides=tally.first_nucleotides,
        refused=refused,
        counts=Counts(
            items_in=tally.records,
            items_out=tally.records - tally.repeated,
            items_dropped=tally.repeated,
        ),
    )


@delivery
def cut(read: Read, batch: str, which: Which, size: int, decided: str) -> Cut:
    """Note the proteins in their batch, and cut those that are to be worked on into chunks.

    Proteins of files that were refused are left out. What is noted of a protein is its sequence
    with `decided`, all that decides its annotation: if either is another, it is new.
    """
    storage, states = Storage(settings().storage), find_batch(engine(), batch)
    chunks: list[Chunk] = []
    chosen = left_out = 0
    pending: list[pd.DataFrame] = []
    for frame in iter_table(read.table, batch_rows=max(size, CUT_ROWS)):
        sound = frame[~frame["source"].isin(list(read.refused))]
        if which != "failed":  # those that failed may be tried again with other parameters
            keys = [_key(digest, decided) for digest in sound["digest"]]
            states.add(list(zip(sound["id"], keys, strict=True)))
        wanted = states.chosen(sound["id"].tolist(), which)
        states.begin([one for one in sound["id"] if one in wanted], passed="initialise")
        kept = sound[sound["id"].isin(wanted)]
        chosen, left_out = chosen + len(kept), left_out + len(sound) - len(kept)
        pending = [pd.concat([*pending, kept], ignore_index=True)]
        while len(pending[0]) >= size:
            chunks.append(_chunk(storage, len(chunks) + 1, pending[0].iloc[:size]))
            pending = [pending[0].iloc[size:]]
    if pending and len(pending[0]):
        chunks.append(_chunk(storage, len(chunks) + 1, pending[0]))
    return Cut(stage="cut", chunks=tuple(chunks), chosen=chosen, left_out=left_out)


def _key(digest: str, decided: str) -> str:
    return hashlib.sha256(f"{digest} {decided}".encode()).hexdigest()


def _chunk(storage: Storage, number: int, frame: pd.DataFrame) -> Chunk:
    return Chunk(number=number, table=storage.write_table(frame.reset_index(drop=True)))


@delivery
def register(chunk: Chunk, found: tuple[Searched, ...], job: SearchJob) -> Registered:
    """All evidence of a chunk, and the proteins of which some is missing."""
    kept, proteins = kept_of(job), proteins_of(chunk)
    places: dict[str, dict[str, str]] = {name: {} for name in SEARCHES}
    failed: dict[str, tuple[str, str]] = {}
    for one in found:
        places[one.stage].update(one.places)
        failed |= {digest: (one.stage, reason) for digest, reason in one.failed.items()}
    if not job.search:
        digests = [one.digest for one in proteins if len(one.sequence) >= job.peptide_below]
        for name in SEARCHES:
            places[name] = kept.store.found(search_of(name, job), digests)
        failed |= _missing(places, digests)
    errors: dict[str, dict[str, str]] = {}
    whole: list[str] = []
    for protein in proteins:
        if protein.digest in failed:
            stage, reason = failed[protein.digest]
            errors.setdefault(stage, {})[protein.id] = reason
        else:
            whole.append(protein.id)
    for stage, reasons in errors.items():
        kept.batch.record(stage, "done", list(reasons), reasons)
    kept.batch.record("registration", "done", whole)
    return Registered(
        stage="registration",
        places=places,
        failed=failed,
        counts=Counts(
            items_in=len(proteins),
            items_out=len(whole),
            items_failed=len(proteins) - len(whole),
        ),
    )


def _missing(
    places: Mapping[str, Mapping[str, str]], digests: Sequence[str]
) -> dict[str, tuple[str, str]]:
    """Proteins without stored evidence of BLAST; that of HHsearch is taken where it is there."""
    found = {}
    for digest in digests:
        gone = [name for name in ("chain_blast", "domain_blast") if digest not in places[name]]
        if gone:
            told = f"no stored evidence of {' and '.join(gone)} with these settings"
            found[digest] = ("registration", f"{told}; run the mode FULL or BLAST_ONLY first")
    return found


@compute(*EVIDENCE_MODULES)
def summarise(chunk: Chunk, registered: Registered) -> Summarised:
    """The evidence of a chunk under the proteins' ids, as one table."""
    proteins = [one for one in proteins_of(chunk) if one.digest not in registered.failed]
    frame = evidence_of(registered.places, proteins, evidence_store())
    table = pa.Table.from_pandas(frame, schema=EVIDENCE_SCHEMA, preserve_index=False)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    stored = Storage(settings().storage).put_bytes(sink.getvalue().to_pybytes(), ".parquet")
    counts = Counts(items_in=len(proteins), items_out=len(proteins))
    evidence = Table(**dict(stored), rows=table.num_rows, columns=tuple(table.column_names))
    return Summarised(stage="summary", artifact=evidence, counts=counts)


@compute(*PARTITION_MODULES)
def partition(
    chunk: Chunk,
    registered: Registered,
    summary: Summarised,
    reference: ReferenceRef,
    *,
    settings_: PartitionSettings,
    calibration: str,  # noqa: ARG001 -- part of the cache key
) -> Partitioned:
    """Domains and their classes, protein by protein; one that fails leaves the others alone.

    Args:
        calibration: Digest of the table that confidences are read from.
    """
    proteins = [one for one in proteins_of(chunk) if one.digest not in registered.failed]
    made, failed = annotate_each(
        proteins, evidence_table(summary), opened(reference).tables, settings_
    )
    lines = b"".join(ANNOTATION.dump_json(one) + b"\n" for one in made)
    content = gzip.compress(lines, 3, mtime=0)
    return Partitioned(
        stage="partition",
        annotations=Storage(settings().storage).put_bytes(content, ".jsonl.gz"),
        outcomes={one.protein: one.outcome for one in made},
        failed=failed,
        counts=Counts(items_in=len(proteins), items_out=len(made), items_failed=len(failed)),
    )


def annotations_of(made: Partitioned) -> Iterator[Annotation]:
    """The annotations of a chunk, in order."""
    with open_uri(made.annotations.uri) as file, gzip.open(file) as lines:
        for line in lines:
            if line.strip():
                yield ANNOTATION.validate_json(line)


def evidence_table(summary: Summarised) -> pd.DataFrame:
    """The evidence of a chunk."""
    if summary.artifact is None:
        raise AssertionError("a summary has a table")
    return read_table(summary.artifact, list(EVIDENCE_COLUMNS))
