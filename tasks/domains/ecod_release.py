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

CLASSES = ("f_id", "t_id")
"""Column of the class; releases differ."""
NEEDED = ("uid", "ecod_domain_id", "pdb", "chain", "seqid_range")
EXPECTED = "ECOD's list of domains, with columns uid, ecod_domain_id, f_id, pdb, chain, seqid_range"
MAX_COMMENTS = 100


def read_ecod_domains(file: IO[bytes], name: str) -> pd.DataFrame:
    """`domain_id`, `source_chain` (1abc_A), `range`, `classification`, `uid`, `place`; as text.

    `range` is of positions in the sequence (seqid_range), not of PDB residue numbers, and without
    the chain before each part where all parts lie in one chain.

    Raises:
        InputError: It is no such list.
    """
    text = io.TextIOWrapper(file, encoding="utf-8-sig")
    header, lines = _header(text, name)
    named = next(column for column in CLASSES if column in header)
    try:
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
        ).fillna("")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"{name}: {' '.join(str(error).split())}; expected {EXPECTED}") from None
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
    made = made[made["domain_id"] != ""].reset_index(drop=True)
    if made.empty:
        raise InputError(f"{name}: no domains; expected {EXPECTED}")
    return made


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
