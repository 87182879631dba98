"""What can be wrong with the inputs of a reference, and what is only remarkable."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from blocks.errors import InputError
from tasks.domains.hhsuite import ENTRY_NAME, ENTRY_NAME_EXPECTED
from tasks.domains.ranges import Segments, normalised, overlap, parse_range, range_parts, size
from tasks.sequences import Findings

_PART = r"\s*(?:[^:,\s]+:)?\d+(?:-\d+)?\s*"
RANGE = f"{_PART}(?:,{_PART})*"
RANGE_EXPECTED = "positions such as 10-150,200-220"
NOTED = 3
"""Names in a note."""
CLASS = r"[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*"


def check_match(
    sequences: pd.DataFrame, table: pd.DataFrame, name: str, findings: Findings
) -> None:
    """Each domain of the table has one sequence, and each sequence one row."""
    for row in table[table["domain_id"].duplicated()].itertuples():
        findings.add(f"{row.place}, domain {row.domain_id!r}", "stands twice", "each domain once")
    known = set(sequences["id"])
    for row in table[~table["domain_id"].isin(known)].itertuples():
        findings.add(f"{row.place}, domain {row.domain_id!r}", "no sequence", f"one in {name}")
    listed = set(table["domain_id"])
    for missing in sequences["id"][~sequences["id"].isin(listed)]:
        findings.add(f"{name}, {missing}", "has no row in the table of domains", "one row")


def check_ids(what: str, ids: Iterable[tuple[str, str]], findings: Findings) -> None:
    """Ids that every program takes as they are; each with the file, or file and row, it is from."""
    for identifier, place in dict(ids).items():
        if not ENTRY_NAME.fullmatch(identifier):
            findings.add(f"{place}, {what} {identifier!r}", "cannot be an id", ENTRY_NAME_EXPECTED)


def check_classes(rows: pd.DataFrame, depth: int, findings: Findings) -> None:
    """Classes are levels with dots between, not more than the hierarchy has; "" is unknown."""
    names = rows["classification"]
    good = names.str.fullmatch(CLASS) & (names.str.count(r"\.") < depth)
    for row in rows[~good & (names != "")].itertuples():
        findings.add(
            f"{row.place}, domain {row.domain_id!r}",
            f"class {row.classification!r}",
            f"at most {depth} levels of letters and digits with dots between",
        )


def check_ranges(rows: pd.DataFrame, findings: Findings) -> None:
    """Ranges are positions, in one chain or in several; none is left for a chain to tell."""
    for row in rows[~rows["range"].str.fullmatch(RANGE)].itertuples():
        findings.add(
            f"{row.place}, domain {row.domain_id!r}, range", repr(row.range), RANGE_EXPECTED
        )


def segments_in_chain(row: Any, length: int, findings: Findings) -> Segments:  # noqa: ANN401 -- a row of a frame
    """The range of a domain in its chain; () where it is wrong."""
    where = f"{row.place}, domain {row.domain_id!r}, range"
    try:
        segments = parse_range(row.range, where)
    except InputError as error:
        what, _, expected = str(error).removeprefix(f"{where}: ").partition("; expected ")
        findings.add(where, what, expected)
        return ()
    if segments[-1][1] > length:
        told = f"chain {row.chain_id!r} has {length} residues"
        findings.add(where, f"{row.range!r} ends behind the chain", f"positions in it: {told}")
        return ()
    return segments


def note(names: Iterable[str], what: str) -> list[str]:
    """A line about entries, with the names of the first; none where there are none.

    >>> note(["d2", "d1", "d3", "d2", "d4"], "domains have no class")
    ['4 domains have no class: d2, d1, d3 and 1 more']
    """
    unique = list(dict.fromkeys(names))
    if not unique:
        return []
    more = f" and {len(unique) - NOTED:,} more" if len(unique) > NOTED else ""
    return [f"{len(unique):,} {what}: {', '.join(unique[:NOTED])}{more}"]


def notes_on_overlaps(placed: Iterable[tuple[str, Segments]]) -> list[str]:
    """Chains whose domains share residues.

    >>> notes_on_overlaps([("1abc_A", ((0, 50),)), ("1abc_A", ((40, 90),)), ("1abc_a", ((0, 9),))])
    ['1 chains have domains that share residues: 1abc_A']
    """
    taken: dict[str, list[Segments]] = {}
    overlapping = []
    for chain, segments in placed:
        if any(overlap(segments, other) for other in taken.get(chain, [])):
            overlapping.append(chain)
        taken.setdefault(chain, []).append(segments)
    return note(overlapping, "chains have domains that share residues")


def notes_on_ranges(domains: pd.DataFrame) -> list[str]:
    """Domains whose range is not there, strange, or of another length than the sequence.

    Args:
        domains: `domain_id`, `range` and `length`.
    """
    none, differing, several, twice = [], [], [], []
    columns = (domains[name] for name in ("domain_id", "range", "length"))
    for domain, text, length in zip(*columns, strict=True):
        if not text:
            none.append(domain)
            continue
        try:
            parts = range_parts(text)
        except InputError:
            several.append(domain)
            continue
        residues = size(normalised(parts))
        if residues < size(parts):
            twice.append(domain)
        elif residues != length:
            differing.append(domain)
    if len(none) == len(domains):  # ranges were not given
        none = []
    return [
        *note(none, "domains have no range"),
        *note(differing, "domains have a sequence of another length than their range"),
        *note(twice, "domains have a range that names residues twice"),
        *note(several, "domains have a range that is not of one chain"),
    ]
