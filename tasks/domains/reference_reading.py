"""What a reference is made from: sequences and tables, read and checked.

Everything that is wrong with the inputs is told at once, with file, row and what was expected,
before any program is started. What is only remarkable becomes a note of the reference.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import IO, Any

import pandas as pd

from blocks.errors import InputProblems
from tasks.domains.ecod_release import read_ecod_domains, with_domain_ids
from tasks.domains.ranges import Segments, range_text
from tasks.domains.reference_checks import (
    check_classes,
    check_ids,
    check_match,
    check_ranges,
    note,
    notes_on_overlaps,
    notes_on_ranges,
    segments_in_chain,
)
from tasks.domains.reference_model import EcodSource, Source, TableColumns, TableSource
from tasks.domains.reference_tables import CHAIN_COLUMNS, DOMAIN_COLUMNS
from tasks.domains.table_files import read_text_table
from tasks.sequence_files import read_sequences
from tasks.sequences import Findings

Files = Mapping[str, tuple[str, IO[bytes]]]
"""Field of the source -> name and open file; only of fields that are not empty."""


@dataclass(frozen=True)
class ReferenceContent:
    """A reference before anything is built of it."""

    domains: pd.DataFrame
    """DOMAIN_COLUMNS and `sequence`, in the order of the FASTA file."""
    chains: pd.DataFrame
    """CHAIN_COLUMNS, in the order of the FASTA file and by the first residue."""
    chain_sequences: pd.DataFrame
    """`id`, `sequence`; only chains with domains."""
    notes: tuple[str, ...]


def read_reference(source: Source, files: Files) -> ReferenceContent:
    """The content of a reference.

    Raises:
        InputProblems: All that is wrong with it.
        InputError: A table cannot be read at all.
    """
    findings = Findings()
    match source:
        case TableSource():
            given = _from_tables(source, files, findings)
        case EcodSource():
            given = _from_ecod(files, findings)
    # a domain without a row in the table has none of its cells
    absent = {"place": files["domains"][0], "range": "", "classification": ""}
    domains = given.domains.fillna(absent)
    check_ids("domain", zip(domains["domain_id"], domains["place"], strict=True), findings)
    if "chains" in files:
        named = ((one, files["chains"][0]) for one in given.chain_sequences["id"])
        check_ids("chain", named, findings)
    classed = ["place", "domain_id", "classification"]
    rows = pd.concat([domains[classed], given.chain_rows[classed]]).drop_duplicates()
    check_classes(rows, len(source.levels), findings)
    domains["length"] = domains["sequence"].str.len()
    unknown = domains["domain_id"][domains["classification"] == ""]
    notes = [*given.notes, *notes_on_ranges(domains), *note(unknown, "domains have no class")]
    chains = _chain_rows(given, findings, notes)
    findings.stop_if_any()
    known = set(chains["chain_id"])
    sequences = given.chain_sequences
    there = sequences["id"].isin(known)
    notes += note(sequences["id"][~there], "chains without domains in the tables were left out")
    kept = sequences[there].reset_index(drop=True)
    return ReferenceContent(
        domains=domains[[*DOMAIN_COLUMNS, "sequence"]],
        chains=chains,
        chain_sequences=kept,
        notes=tuple(notes),
    )


@dataclass
class _Given:
    """Inputs under our names; all cells are text."""

    domains: pd.DataFrame
    """`domain_id`, `source_chain`, `range`, `classification`, `sequence`, `place`."""
    chain_rows: pd.DataFrame
    """`chain_id`, `domain_id`, `range`, `classification`, `place`."""
    chain_sequences: pd.DataFrame
    """`id`, `sequence`."""
    own_chain_table: bool
    notes: list[str]


def _from_tables(source: TableSource, files: Files, findings: Findings) -> _Given:
    sequences = _sequences(*files["domains"], findings)
    table = _columns(*files["table"], source.columns)
    check_match(sequences, table, files["domains"][0], findings)
    domains = _joined(sequences, table)
    if "chain_table" in files:
        rows = _columns(*files["chain_table"], source.chain_columns)
        classes = table.set_index("domain_id")["classification"]
        unknown = rows["classification"] == ""
        rows.loc[unknown, "classification"] = (
            rows["domain_id"][unknown].map(classes[~classes.index.duplicated()]).fillna("")
        )
    else:
        rows = table[table["range"] != ""]
    rows = rows.rename(columns={"source_chain": "chain_id"})
    if "chain_table" in files and not source.columns.range:
        ranges = rows.drop_duplicates("domain_id").set_index("domain_id")["range"]
        domains["range"] = domains["domain_id"].map(ranges).fillna("")
    chains = _sequences(*files["chains"], findings) if "chains" in files else _no_sequences()
    return _Given(domains, rows, chains, "chain_table" in files, [])


def _from_ecod(files: Files, findings: Findings) -> _Given:
    name, file = files["table"]
    table = read_ecod_domains(file, name)
    sequences = with_domain_ids(_sequences(*files["domains"], findings), table)
    domains = _joined(sequences, table)
    for row in domains[domains["place"].isna()].itertuples():
        findings.add(
            f"{files['domains'][0]}, {row.domain_id}", "is not in the list", f"a row of {name}"
        )
    check_ranges(domains[domains["place"].notna()], findings)
    more = table["domain_id"][~table["domain_id"].isin(set(domains["domain_id"]))]
    notes = note(more, "domains of the list have no sequence in the FASTA file")
    several = table["range"].str.contains(",") & (table["source_chain"].str.endswith("_."))
    rows = table[~several].rename(columns={"source_chain": "chain_id"})
    notes += note(table["domain_id"][several], "domains span several chains; no chain tells them")
    chains = _sequences(*files["chains"], findings) if "chains" in files else _no_sequences()
    return _Given(domains, rows, chains, False, notes)


def _sequences(name: str, file: IO[bytes], findings: Findings) -> pd.DataFrame:
    frames: list[pd.DataFrame] = []
    try:
        frames.extend(read_sequences(file, name, "fasta"))
    except InputProblems as error:
        for problem in error.problems:
            findings.add(problem.where, problem.what, problem.expected)
    if not frames:
        return _no_sequences()
    frame: pd.DataFrame = pd.concat(frames, ignore_index=True)[["id", "sequence"]]
    for repeated in frame["id"][frame["id"].duplicated()].unique():
        findings.add(f"{name}, {repeated}", "stands twice", "each id once")
    return frame


def _no_sequences() -> pd.DataFrame:
    return pd.DataFrame({"id": [], "sequence": []}, dtype="str")


def _columns(name: str, file: IO[bytes], columns: TableColumns) -> pd.DataFrame:
    """A table under our names; `place` tells file and row."""
    names = {
        columns.domain: "domain_id",
        columns.chain: "source_chain",
        columns.classification: "classification",
    }
    if columns.range:
        names[columns.range] = "range"
    frame = read_text_table(file, name, tuple(names)).rename(columns=names)
    if not columns.range:
        frame["range"] = ""
    return frame


def _joined(sequences: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    by_id = table.drop_duplicates("domain_id")
    named = sequences.rename(columns={"id": "domain_id"})
    return named.merge(by_id, on="domain_id", how="left", sort=False)


def _chain_rows(given: _Given, findings: Findings, notes: list[str]) -> pd.DataFrame:
    """Rows of the chains whose sequences are there, with ranges within them."""
    order = {identifier: index for index, identifier in enumerate(given.chain_sequences["id"])}
    length = dict(
        zip(given.chain_sequences["id"], given.chain_sequences["sequence"].str.len(), strict=True)
    )
    missing = ~given.chain_rows["chain_id"].isin(order.keys())
    if order and given.own_chain_table:
        for row in given.chain_rows[missing].drop_duplicates("chain_id").itertuples():
            findings.add(f"{row.place}, chain {row.chain_id!r}", "no sequence", "one in the FASTA")
    elif order and missing.any():
        absent = given.chain_rows["chain_id"][missing]
        notes += note(
            absent, "chains of the table have no sequence and are not searched as a whole"
        )
    rows = []
    for row in given.chain_rows[~missing].itertuples():
        segments = segments_in_chain(row, length[row.chain_id], findings)
        if segments:
            rows.append((order[row.chain_id], segments, row))
    rows.sort(key=lambda one: one[:2])
    notes += _notes_on_letters(given, rows)
    notes += notes_on_overlaps((str(row.chain_id), segments) for _, segments, row in rows)
    records = [
        (
            row.chain_id,
            int(length[row.chain_id]),
            row.domain_id,
            range_text(segments),
            row.classification,
        )
        for _, segments, row in rows
    ]
    frame = pd.DataFrame(records, columns=list(CHAIN_COLUMNS))
    text = dict.fromkeys(("chain_id", "domain_id", "range", "classification"), "str")
    return frame.astype({**text, "length": "int64"})


def _notes_on_letters(given: _Given, rows: Iterable[tuple[int, Segments, Any]]) -> list[str]:
    """Domains that lie elsewhere in their chain than their range tells."""
    chains = given.chain_sequences["sequence"].tolist()
    domains = dict(zip(given.domains["domain_id"], given.domains["sequence"], strict=True))
    differing = []
    for chain, segments, row in rows:
        there = "".join(chains[chain][start:end] for start, end in segments)
        own = domains.get(row.domain_id, there)
        if len(own) == len(there) and own != there:
            differing.append(row.domain_id)
    return note(differing, "domains have other letters than their chain has in their range")
