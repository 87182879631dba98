r"""Numbers, dates and names with digits that a text says, each with its place and its precision.

A number may have thousands separators (`1,234`; narrow blanks), decimals, an exponent (`1e-5`,
`1.2 x 10^-3`), a sign, a percent sign, a scale (`1.2 million`) or be a word (`twenty-one`, `half`).
The two ends of a range are two numbers. What letters belong to is no number but a name: `P02144`,
`V600E`, `IL-2`, `1.2.3`. Places are characters of the text, 0-based and half-open.

Not told from other words, and so never found: `one`, `first`, `second`, `third`, `both`, `most`.

>>> [(one.kind, one.text, one.value) for one in numbers_in("P02144: of 1,234, 10-20 %")]
[('name', 'P02144', nan), ('number', '1,234', 1234.0), ('percent', '10', 10.0), ('percent', '20 %', 20.0)]
"""  # noqa: E501 -- the output of a doctest is one line

import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from itertools import chain, zip_longest
from typing import Literal

from tasks.text.patterns import Kind as PatternKind
from tasks.text.patterns import known

Kind = Literal["number", "percent", "ordinal", "date", "name"]
NAMES: tuple[PatternKind, ...] = (
    "email", "url", "doi", "pmid", "ipv4", "uuid", "ec", "ensembl", "go", "pdb", "refseq", "rsid",
    "uniprot", "variant",
)  # fmt: skip
UNKNOWN = math.nan


@dataclass(frozen=True, slots=True)
class Number:
    """Something that a text says with digits, or a number in words."""

    kind: Kind
    text: str
    start: int
    end: int
    value: float = UNKNOWN
    """NaN: it is a name or a date, or cannot be read as one number (`1,23,4`, `thousands`)."""
    step: float = 0.0
    """What one unit of its last digit is worth: 0.01 of `1.25`, 100,000 of `1.2 million`."""
    digits: int = 0
    """Significant digits."""
    same_as: str = ""
    """A date as 2026-03-05; a name itself."""


_SIGNS = {"\u2212": "-", "\u2010": "-", "\u2011": "-", "\ufe63": "-", "\uff0d": "-", "\uff05": "%"}
_NARROW = "\u00a0\u2009\u202f"
_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_RUN = rf"\d(?:[\d.,'\u2019{_NARROW}]*\d)?|\.\d+"
_NUMBER = re.compile(
    rf"(?P<sign>(?<![\w)\]%.])[-+\u2013](?=\.?\d))?(?P<body>(?<![\w])(?:{_RUN}))"
    r"(?:(?P<e>[eE][-+]?\d+)(?!\w)"
    r"|\s?[\u00d7x*\u00b7]\s?10(?:\s?(?:\^|\*\*)\s?(?P<caret>[-+\u2013]?\d+)|(?P<super>[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+)))?"
)
_GROUPED = re.compile(rf"\d{{1,3}}(?:([,'\u2019{_NARROW}])\d{{3}})(?:\1\d{{3}})*(?:\.\d+)?")
_PLAIN = re.compile(r"\d+(?:\.\d+)?|\.\d+")
_COMMA = re.compile(r"\d+,\d+")
_VERSION = re.compile(r"\d+(?:\.\d+){2,}")
_PERCENT = re.compile(r"\s?%|\s?(?:percentage points?|percent|per cent|pct)\b", re.IGNORECASE)
_SCALE = re.compile(r"[\s-](hundred|thousand|million|billion|trillion)\b|(k)\b", re.IGNORECASE)
_ORDINAL = re.compile(r"(?:st|nd|rd|th)\b")
_UNIT = re.compile(
    r"(?:°[CF]?|[kmcnµμpfMGT]?(?:m|g|s|l|L|M|Da|V|A|J|W|Hz|Pa|bp|b|B|mol|U|K|eV)|nt|aa|kb|Mb|Gb|h|d|"
    r"min|bits?|fold|\u00d7|x|kcal|cal|ppm|rpm|Å|mer|mers|hr|hrs|sec)\b|[°\u00d7Å]"
)
_RANGE = re.compile(r"\s?(?:-|\u2013|\u2014|to|and|or)\s?")
_LETTER = r"(?:(?![\u00b2\u00b3\u00b9\u2070-\u207b])[^\W\d_])"
_TOKEN = re.compile(rf"{_LETTER}(?:\w|[-./:](?=\w))*|\d+(?:_|{_LETTER})(?:\w|[-./:](?=\w))*|_\w+")
_FRACTIONS = re.compile("[¼½¾⅐-⅞]")
_UNITS_TEXT = (
    "zero _ two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
_TENS_TEXT = "twenty thirty forty fifty sixty seventy eighty ninety"
_WORDS = {word: float(n) for n, word in enumerate(_UNITS_TEXT.split()) if word != "_"}
_WORDS |= {word: 10.0 * (n + 2) for n, word in enumerate(_TENS_TEXT.split())}
_SCALES = {
    "hundred": 1e2, "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12, "k": 1e3,
    "dozen": 12.0,
}  # fmt: skip
_TIMES = {
    "twice": 2.0, "double": 2.0, "doubled": 2.0, "doubles": 2.0, "thrice": 3.0, "triple": 3.0,
    "tripled": 3.0, "triples": 3.0,
}  # fmt: skip
_SHARES = {"half": 50.0, "quarter": 25.0, "quarters": 25.0}
_VAGUE = frozenset({"dozens", "hundreds", "thousands", "millions", "billions"})
_WORD = re.compile(r"[^\W\d_]+")
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]


def numbers_in(text: str) -> list[Number]:
    """All that a text says with digits or number words, in the order of the text."""
    plain = _plain(text)
    taken = bytearray(len(plain) + 1)
    found: list[Number] = []

    def take(one: Number) -> None:
        if not any(taken[one.start : one.end]):
            taken[one.start : one.end] = b"\1" * (one.end - one.start)
            found.append(replace(one, text=text[one.start : one.end]))

    for day in known(plain, ["date"]):
        take(Number("date", "", day.start, day.end, same_as=same_day(day.text)))
    for name in known(plain, NAMES):
        take(Number("name", "", name.start, name.end, same_as=name.text))
    for one in chain(_names(plain), _figures(plain), _spoken(plain)):
        take(one)
    found.sort(key=lambda one: one.start)
    return list(_ranges(plain, found))


def same_day(text: str) -> str:
    """A date as 2026-03-05, whichever way it is written.

    >>> same_day("March 5, 2026"), same_day("5 March 2026"), same_day("2026-03-05")
    ('2026-03-05', '2026-03-05', '2026-03-05')
    """
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    name = re.search(r"[A-Za-z]{3}", text)
    if name is None:
        return date(*numbers).isoformat()
    day, year = numbers
    return date(year, _MONTHS.index(name[0].lower()) + 1, day).isoformat()


def _plain(text: str) -> str:
    """The text with plain digits and signs, each letter at its place."""
    return "".join(_SIGNS.get(letter, _digit(letter)) for letter in text)


def _digit(letter: str) -> str:
    if letter.isascii() or unicodedata.category(letter) != "Nd":
        return letter
    return str(unicodedata.decimal(letter))


def _names(text: str) -> Iterator[Number]:
    """Tokens of letters and digits; quantities such as `5mM`, `2nd`, `10x` are none."""
    for match in _TOKEN.finditer(text):
        said = match[0]
        if not any(letter.isdecimal() for letter in said):
            continue
        if match.start() and text[match.start() - 1] in ".,":
            continue  # the decimals of a number with its unit
        if said[0].isdigit() and _quantity(said):
            continue
        yield Number("name", said, *match.span(), same_as=said)


def _quantity(said: str) -> bool:
    digits = re.match(r"\d+", said)
    rest = said[digits.end() :] if digits else said
    head = re.split(r"[-/]", rest)[0]
    whole = _UNIT.fullmatch(head) or _ORDINAL.fullmatch(head) or head == "k"
    return bool(whole or re.fullmatch(r"[eE][-+]?\d+", rest) or re.fullmatch(r"[eE]", rest))


def _figures(text: str) -> Iterator[Number]:
    """Numbers that are written with digits."""
    for match in _NUMBER.finditer(text):
        if _VERSION.fullmatch(match["body"]):
            yield Number("name", match["body"], *match.span("body"), same_as=match["body"])
            continue
        value, step, digits = _read(match)
        end = match.end()
        kind: Kind = "number"
        if percent := _PERCENT.match(text, end):
            kind, end = "percent", percent.end()
        elif _ORDINAL.match(text, end):
            kind, end = "ordinal", end + 2
        elif scale := _SCALE.match(text, end):
            factor = _SCALES[(scale[1] or scale[2]).lower()]
            value, step, end = value * factor, step * factor, scale.end()
            if percent := _PERCENT.match(text, end):
                kind, end = "percent", percent.end()
        yield Number(kind, "", match.start(), end, value, step, digits)
    for match in _FRACTIONS.finditer(text):
        share = 100 * unicodedata.numeric(match[0])
        yield Number("percent", "", *match.span(), share, 1.0, 2)


def _read(match: re.Match[str]) -> tuple[float, float, int]:
    """Value, worth of the last digit, significant digits."""
    body = match["body"]
    if _GROUPED.fullmatch(body):
        digits = re.sub(rf"[,'\u2019{_NARROW}]", "", body)
    elif _PLAIN.fullmatch(body):
        digits = body
    elif _COMMA.fullmatch(body):
        digits = body.replace(",", ".")
    else:
        return UNKNOWN, 0.0, 0
    power = match["e"][1:] if match["e"] else match["caret"] or match["super"] or "0"
    exponent = int(power.translate(_SUPERSCRIPT).replace("\u2013", "-")[:6])
    decimals = len(digits.partition(".")[2])
    significant = len(digits.replace(".", "").lstrip("0"))
    sign = -1 if match["sign"] in ("-", "\u2013") else 1
    try:
        return sign * float(f"{digits}e{exponent}"), 10.0 ** (exponent - decimals), significant
    except OverflowError:
        return UNKNOWN, 0.0, 0


def _spoken(text: str) -> Iterator[Number]:
    """Numbers in words; a run of number words is one of them."""
    run: list[re.Match[str]] = []
    for match in _WORD.finditer(text):
        word = match[0].lower()
        if run and word == "and" and run[-1][0].lower() in _SCALES:
            continue
        if run and not _goes_on(text[run[-1].end() : match.start()], word):
            yield _sum(run)
            run = []
        if word in _VAGUE:
            yield Number("number", "", *match.span())
        elif word in _TIMES:
            yield Number("number", "", *match.span(), _TIMES[word], 1.0, 1)
        elif word in _SHARES:
            yield Number("percent", "", *match.span(), _SHARES[word], 1.0, 2)
        elif (fold := word.removesuffix("fold")) != word and fold in _WORDS:
            yield Number("number", "", *match.span(), _WORDS[fold], 1.0, 1)
        elif _is_part(word) or (run and word == "one"):
            run.append(match)
    if run:
        yield _sum(run)


def _is_part(word: str) -> bool:
    return word in _WORDS or (word in _SCALES and word != "k")


def _goes_on(between: str, word: str) -> bool:
    """Whether a word belongs to the number words before it."""
    joined = re.fullmatch(r"[\s-]|\sand\s", between)
    return bool(joined) and (_is_part(word) or word == "one")


def _sum(run: list[re.Match[str]]) -> Number:
    """The number that some words are together.

    >>> _sum(list(_WORD.finditer("two thousand three hundred twenty one"))[:5]).value
    2320.0
    """
    total = part = 0.0
    for match in run:
        word = match[0].lower()
        if word in _WORDS or word == "one":
            part += _WORDS.get(word, 1.0)
        elif word == "hundred":
            part = (part or 1) * 100
        else:
            total += (part or 1) * _SCALES[word]
            part = 0.0
    value = total + part
    digits = len(f"{value:.0f}".rstrip("0")) or 1
    return Number("number", "", run[0].start(), run[-1].end(), value, 1.0, digits)


def _ranges(text: str, found: list[Number]) -> Iterator[Number]:
    """The numbers, with the percent sign of a range's second end at its first one, too."""
    for one, following in zip_longest(found, found[1:]):
        between = text[one.end : following.start] if following else ""
        joined = following is not None and _RANGE.fullmatch(between)
        if joined and one.kind == "number" and following and following.kind == "percent":
            yield replace(one, kind="percent")
        else:
            yield one
