"""What texts name in a fixed form: addresses, dates, amounts, and the accessions of databases.

Places are characters of the text, 0-based and half-open.

Source:
    UniProt and RefSeq: their own help pages on accession numbers; DOI: Crossref's recommended
    expression; variants: HGVS nomenclature, protein level, substitutions only.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from ipaddress import IPv4Address
from typing import Literal, get_args

Kind = Literal[
    "email", "url", "doi", "pmid", "date", "money", "number", "percent", "phone", "ipv4", "uuid",
    "ec", "ensembl", "go", "pdb", "refseq", "rsid", "uniprot", "variant",
]  # fmt: skip
KINDS: tuple[Kind, ...] = get_args(Kind)
_AMINO = "Ala|Arg|Asn|Asp|Cys|Gln|Glu|Gly|His|Ile|Leu|Lys|Met|Phe|Pro|Ser|Thr|Trp|Tyr|Val"
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
_NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"
_EXPRESSIONS: Mapping[Kind, str] = {
    "email": r"(?<![\w.+-])[\w.+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\b",
    "url": r"\bhttps?://[^\s<>\"']+[^\s<>\"'.,;:!?)\]}]",
    "doi": r"\b10\.\d{4,9}/[-._;()/:A-Za-z0-9]*[A-Za-z0-9]",
    "pmid": r"\bPMID:?\s?(\d{1,8})\b",
    "date": rf"\b\d{{4}}-\d\d-\d\d\b|\b\d{{1,2}}\.? {_MONTH}\.? \d{{4}}\b"
    rf"|\b{_MONTH}\.? \d{{1,2}}, \d{{4}}\b",
    "money": rf"[$€£¥]\s?{_NUMBER}\b|\b{_NUMBER}\s?(?:USD|EUR|GBP|JPY|CHF)\b",
    "number": rf"(?<![\w.,-])-?{_NUMBER}(?:[eE][+-]?\d+)?(?![\w%-]|[.,]\d)",
    "percent": rf"(?<![\w.,]){_NUMBER}\s?%",
    "phone": r"(?<![\w+])\+\d{1,3}(?:[ -]?\(?\d{1,4}\)?){2,5}\b",
    "ipv4": r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)",
    "uuid": r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b",
    "ec": r"\bEC[ :]?(\d\.\d{1,2}\.\d{1,2}\.(?:\d{1,3}|-))(?!\d)",
    "ensembl": r"\bENS[A-Z]{0,4}[EGPT]\d{11}(?:\.\d+)?\b",
    "go": r"\bGO:\d{7}\b",
    "pdb": r"\bPDB(?: ID| entry)?:? ?([1-9][A-Za-z0-9]{3})\b",
    "refseq": r"\b(?:[NX][MPR]|NC|NG|WP)_\d{6,9}(?:\.\d+)?\b",
    "rsid": r"\brs\d{3,12}\b",
    "uniprot": r"\b(?:[OPQ]\d[A-Z0-9]{3}\d|[A-NR-Z]\d(?:[A-Z][A-Z0-9]{2}\d){1,2})\b",
    "variant": rf"\bp\.(?:{_AMINO})\d{{1,5}}(?:{_AMINO}|Ter|\*|=)"
    r"|\b[ACDEFGHIKLMNPQRSTVWY]\d{2,4}[ACDEFGHIKLMNPQRSTVWY]\b",
}
"""A group, where there is one, is what counts; what stands around it says what it is."""
_COMPILED = {kind: re.compile(expression) for kind, expression in _EXPRESSIONS.items()}


@dataclass(frozen=True, slots=True)
class Found:
    """Something that a text names."""

    kind: str
    text: str
    start: int
    end: int
    by: str
    """`pattern`, `term` or the model that said so."""


def known(text: str, kinds: Sequence[Kind]) -> Iterator[Found]:
    """What a text names of some kinds; what cannot be is left out (February 30, 300.1.1.1).

    >>> [(one.kind, one.text, one.start) for one in known("V600E on 2024-02-30", KINDS)]
    [('variant', 'V600E', 0)]
    """
    for kind in kinds:
        pattern, check = _COMPILED[kind], _CHECKS.get(kind)
        group = 1 if pattern.groups else 0
        for match in pattern.finditer(text):
            if check is None or check(match[group]):
                yield Found(kind, match[group], *match.span(group), "pattern")


def _is_date(text: str) -> bool:
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    name = re.search(r"[A-Za-z]{3}", text)
    with suppress(ValueError):
        if name is None:
            date(*numbers)
        else:
            month = _MONTHS.index(name[0].lower()) + 1
            day, year = numbers
            date(year, month, day)
        return True
    return False


def _is_address(text: str) -> bool:
    with suppress(ValueError):
        IPv4Address(text)
        return True
    return False


_CHECKS: Mapping[str, Callable[[str], bool]] = {"date": _is_date, "ipv4": _is_address}


def terms(
    name: str, words: Sequence[str], *, any_case: bool = True
) -> Callable[[str], list[Found]]:
    """Finds whole words of a list, the longest one at each place.

    >>> find = terms("gene", ["BRCA1", "BRCA1 exon"])
    >>> [(one.text, one.start, one.end) for one in find("the BRCA1 exon, brca1x")]
    [('BRCA1 exon', 4, 14)]
    """
    longest = sorted(set(words), key=lambda word: (-len(word), word))
    either = "|".join(re.escape(word) for word in longest)
    pattern = re.compile(rf"(?<!\w)(?:{either})(?!\w)", re.IGNORECASE if any_case else 0)
    return lambda text: [
        Found(name, match[0], *match.span(), "term") for match in pattern.finditer(text)
    ]


def without_overlaps(found: Sequence[Found]) -> list[Found]:
    """In the order of the text; of those that overlap the longest, then the first found."""
    kept: list[Found] = []
    covered = bytearray(1 + max((one.end for one in found), default=0))
    for one in sorted(found, key=lambda one: (one.start - one.end, one.start)):
        # What is kept already is no shorter: where the two overlap, it covers one of the ends.
        if not (covered[one.start] or covered[one.end - 1]):
            covered[one.start : one.end] = b"\1" * (one.end - one.start)
            kept.append(one)
    return in_order(kept)


def in_order(found: Sequence[Found]) -> list[Found]:
    """In the order of the text."""
    return sorted(found, key=lambda one: (one.start, one.end, one.kind))
