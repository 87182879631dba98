"""Alignments (a3m) that profiles are made of.

In an a3m the first record is the protein itself; all its residues are columns. Others have upper
case or `-` in these columns, and lower case for residues in between.
"""

import string
from collections.abc import Iterable, Sequence

GAPS = "-."
_NO_INSERTS = str.maketrans("", "", string.ascii_lowercase)


def single_a3m(name: str, sequence: str) -> str:
    r"""The alignment of a protein alone.

    >>> single_a3m("d1", "mkv")
    '>d1\nMKV\n'
    """
    return f">{name}\n{sequence.upper()}\n"


def a3m_of(name: str, sequence: str, rows: Sequence[tuple[str, str]]) -> str:
    r"""An a3m of aligned rows; the first one is the protein, and takes the name.

    Rows whose residues all are the protein's own are left out.

    >>> a3m_of("p", "MKV", [("q", "MK-V"), ("h", "M-AV"), ("same", "MK-V")])
    '>p\nMKV\n>h\nM-aV\n'
    """
    query = rows[0][1]
    columns = [letter not in GAPS for letter in query]
    records = [single_a3m(name, sequence)]
    whole = sequence.upper()
    for row_name, row in rows[1:]:
        letters = "".join(
            letter.upper().replace(".", "-") if is_column else letter.lower()
            for letter, is_column in zip(row, columns, strict=True)
            if is_column or letter not in GAPS
        )
        if letters != whole:
            records.append(f">{row_name}\n{letters}\n")
    return "".join(records)


def renamed_a3m(text: str, name: str) -> str:
    r"""The alignment with another name of its first record; that names the profile, too.

    >>> renamed_a3m(">q000001 x\nMKV\n>h\nM-V\n", "d1")
    '>d1\nMKV\n>h\nM-V\n'
    """
    _, _, rest = text.partition("\n")
    return f">{name}\n{rest}"


def a3m_problem(text: str, sequence: str) -> str:
    r"""What is wrong with an alignment of `sequence`, "" where nothing is.

    >>> a3m_problem(">d1\nMKV\n>h\nM-aV\n", "MKV")
    ''
    >>> a3m_problem(">d1\nMKV\n>h\nM-\n", "MKV")
    'record 2 has 2 columns, the first one 3'
    """
    if not text.startswith(">"):
        return "does not begin with `>`"
    lengths = []
    first = ""
    for record in text.split("\n>"):
        _, _, letters = record.partition("\n")
        aligned = "".join(letters.split())
        first = first or aligned
        lengths.append(len(aligned.translate(_NO_INSERTS).replace(".", "")))
    if first.replace("-", "") != sequence:
        return "its first record is not the domain's sequence"
    for number, length in enumerate(lengths, start=1):
        if length != lengths[0]:
            return f"record {number} has {length} columns, the first one {lengths[0]}"
    return ""


def depth(text: str) -> int:
    """Number of records in an a3m."""
    return text.count("\n>") + text.startswith(">")


def mean_depth(alignments: Iterable[str]) -> float:
    """Mean number of records; 0 for none."""
    depths = [depth(text) for text in alignments]
    return sum(depths) / len(depths) if depths else 0.0
