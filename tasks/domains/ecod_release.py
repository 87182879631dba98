"""A release of ECOD as it is published: its list of domains and its FASTA files.

The list (`ecod.latest.domains.txt`) has comment lines with `#`, then the header - in some releases
with `#` before it -, then one row per domain with tabs between. The FASTA files have headers such
as `>002728551|e7d2xA1|1.1.1|A:20-206`: number, id, class; what follows differs between releases.
Domains are told by their id or by their number (uid).
"""

import csv
import io
from typing import IO

import pandas as pd

from blocks.errors import InputError
from tasks.sequences import Findings

CLASSES = ("f_id", "t_id")
"""Column of the class; releases differ."""
NEEDED = ("uid", "ecod_domain_id", "pdb", "chain", "seqid_range")
EXPECTED = "ECOD's list of domains, with columns uid, ecod_domain_id, f_id, pdb, chain, seqid_range"
ROW_EXPECTED = "number (uid), id, pdb, chain and range with tabs between"
MAX_COMMENTS = 100
MAX_TOLD = 40
"""Characters of a cell that are shown."""


def read_ecod_domains(file: IO[bytes], name: str) -> pd.DataFrame:
    """`domain_id`, `source_chain` (1abc_A), `range`, `classification`, `uid`, `place`; as text.

    `range` is of positions in the sequence (seqid_range), not of PDB residue numbers, and without
    the chain before each part where all parts lie in one chain.

    Raises:
        InputError: It is no such list.
        InputProblems: Rows that are not whole; a line without anything is no row.
    """
    frame, named, lines = _cells(file, name)
    places = [f"{name}, row {lines + number}" for number in range(1, len(frame) + 1)]
    several = frame["chain"] == "."
    one_chain = frame["seqid_range"].str.replace(r"[^:,]+:", "", regex=True)
    made = pd.DataFrame(
        {
            "uid": frame["uid"],
            "domain_id": frame["ecod_domain_id"],
            "source_chain": frame["pdb"] + "_" + frame["chain"],
            "range": one_chain.where(~several, frame["seqid_range"]),
            "classification": frame[named],
            "place": pd.Series(places, dtype="str"),
        }
    )
    filled = (frame != "").any(axis="columns")
    if not filled.any():
        raise InputError(f"{name}: no domains; expected {EXPECTED}")
    _check_rows(frame[filled], made["place"])
    return made[filled].reset_index(drop=True)


def _cells(file: IO[bytes], name: str) -> tuple[pd.DataFrame, str, int]:
    """The needed columns as text, the name of the class's one, and the lines up to the header."""
    try:
        with io.TextIOWrapper(file, encoding="utf-8-sig") as text:
            header, lines = _header(text, name)
            named = next(column for column in CLASSES if column in header)
            frame = pd.read_csv(
                text,
                sep="\t",
                header=None,
                names=header,
                usecols=[*NEEDED, named],
                dtype="str",
                keep_default_na=False,
                quoting=csv.QUOTE_NONE,
                skip_blank_lines=False,
                index_col=False,
            )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"{name}: {' '.join(str(error).split())}; expected {EXPECTED}") from None
    return frame.fillna(""), named, lines


def _check_rows(rows: pd.DataFrame, places: pd.Series) -> None:
    """A row that was cut or has lost a tab would be a domain without a class, or none at all."""
    whole = (rows[["ecod_domain_id", "pdb", "chain"]] != "").all(axis="columns")
    whole &= rows["uid"].str.fullmatch(r"\d+")
    findings = Findings()
    for place, uid in zip(places[whole.index[~whole]], rows["uid"][~whole], strict=True):
        findings.add(place, f"is not whole, begins with {uid[:MAX_TOLD]!r}", ROW_EXPECTED)
    findings.stop_if_any()


def _header(text: IO[str], name: str) -> tuple[list[str], int]:
    """The columns, and the number of lines up to their line."""
    try:
        for number in range(1, MAX_COMMENTS + 1):
            line = text.readline()
            columns = [cell.strip() for cell in line.lstrip("#").rstrip("\n").split("\t")]
            if columns[0] == "uid" and {*NEEDED} <= {*columns} and {*CLASSES} & {*columns}:
                return columns, number
            if not line or (line.strip() and not line.startswith("#")):
                break
    except UnicodeDecodeError:
        raise InputError(f"{name}: is not text in UTF-8; expected {EXPECTED}") from None
    raise InputError(f"{name}: has no header; expected {EXPECTED}")


def with_domain_ids(sequences: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """The sequences under the ids of domains instead of their headers.

    >>> table = pd.DataFrame({"uid": ["000000267"], "domain_id": ["e1udzA1"]})
    >>> headers = ["000000267|e1udzA1|1.1.1.28|A:4-182", "e1udzA1", "000000267", "x|y"]
    >>> with_domain_ids(pd.DataFrame({"id": headers}), table)["id"].tolist()
    ['e1udzA1', 'e1udzA1', 'e1udzA1', 'x|y']
    """
    ids = set(table["domain_id"])
    id_by_uid = dict(zip(table["uid"], table["domain_id"], strict=True))

    def domain_id(header: str) -> str:
        parts = header.split("|")
        known = next((part for part in parts if part in ids), None)
        return known or id_by_uid.get(parts[0], header)

    return sequences.assign(id=[domain_id(header) for header in sequences["id"]])
