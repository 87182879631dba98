"""Whether what a sentence says with digits stands in what it cites.

A number stands there if it equals a cited value, or is that value rounded to the digits that are
written: at least two of them, or one that is off by 5 % at most; a whole number is never a rounded
whole number (2,000 is not 1,987). A percentage is a share between 0 and 1, or a value in percent;
`0 %`, `100 %` and a probability of 1 are not rounded to. A sign counts. Dates and names have to be
there as they are. That a number stands in a cited place is all that is found out: not whether the
words around it say the right thing about it.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tasks.text.numbers import Number, numbers_in

Unit = Literal["", "share", "%"]
"""What a value is besides a number: a share of 1, or one of 100."""
ROUNDED = 0.05
"""How far a single digit may be off."""
CITATION = re.compile(r"\s?\[(\d{1,6}(?:\s?[,;]\s?\d{1,6})*)\]")


@dataclass(frozen=True, slots=True)
class Known:
    """A value that may be told."""

    value: float
    unit: Unit = ""


@dataclass(frozen=True, slots=True)
class Support:
    """What a cited place holds."""

    values: tuple[Known, ...] = ()
    texts: tuple[str, ...] = ()
    """Texts that stand there: their numbers, dates and names may be told."""
    labels: tuple[str, ...] = ()
    """Names of the table, its columns and the row: they may be said as they are."""


@dataclass(frozen=True, slots=True)
class _Read:
    values: list[Known] = field(default_factory=list)
    days: set[str] = field(default_factory=set)
    texts: list[str] = field(default_factory=list)


def unsupported(sentence: str, cited: Sequence[Support]) -> list[Number]:
    """What a sentence says with digits that is not in what it cites; citations are no numbers.

    >>> place = Support((Known(0.97, "share"), Known(1234)), ("P02144",))
    >>> unsupported("P02144: 97 % of 1,234 [1]", [place])
    []
    >>> [one.text for one in unsupported("P02145: 97 of 1,243 [1]", [place])]
    ['P02145', '97', '1,243']
    """
    read = _read(cited)
    return [one for one in said(sentence, cited) if not _stands(one, read)]


def said(sentence: str, cited: Sequence[Support] = ()) -> list[Number]:
    """What a sentence says with digits, without its citations and the labels of what it cites."""
    text = CITATION.sub(lambda match: " " * len(match[0]), sentence)
    labels = {label for one in cited for label in one.labels if re.search(r"\d", label)}
    for label in sorted(labels, key=len, reverse=True):
        whole = rf"(?<![\w.]){re.escape(label)}(?![\w]|[.,]\d)"
        if not _is_bare_number(label):
            text = re.sub(whole, lambda match: " " * len(match[0]), text)
    return numbers_in(text)


def _is_bare_number(label: str) -> bool:
    return bool(re.fullmatch(r"[-+]?[\d.,eE+-]+%?", label))


def citations(sentence: str) -> list[int]:
    """Numbers of the places that a sentence cites, in its order, each once.

    >>> citations("a [2], b [1, 2].")
    [2, 1]
    """
    numbers = (
        int(n) for match in CITATION.finditer(sentence) for n in re.findall(r"\d+", match[1])
    )
    return list(dict.fromkeys(numbers))


def _read(cited: Sequence[Support]) -> _Read:
    read = _Read()
    for one in cited:
        read.values.extend(one.values)
        read.texts.extend([*one.texts, *one.labels])
        for text in one.texts:
            _add(read, numbers_in(text))
        for label in filter(_is_bare_number, one.labels):  # an id that is a number
            _add(read, numbers_in(label))
    return read


def _add(read: _Read, found: Sequence[Number]) -> None:
    for number in found:
        if number.kind == "date":
            read.days.add(number.same_as)
        elif math.isfinite(number.value):
            read.values.append(Known(number.value, "%" if number.kind == "percent" else ""))


def _stands(one: Number, read: _Read) -> bool:
    if one.kind == "date":
        return one.same_as in read.days
    if one.kind == "name":
        whole = re.compile(rf"(?<![\w]){re.escape(one.same_as)}(?![\w])")
        return any(whole.search(text) for text in read.texts)
    return any(
        _is_rounded(one, value, share)
        for known in read.values
        for value, share in _told(one, known)
    )


def _told(one: Number, known: Known) -> Iterator[tuple[float, bool]]:
    """The value in the unit of the number; whether it is a share, of which 1 or 100 is all."""
    if one.kind == "percent":
        if known.unit == "%":
            yield known.value, True
        elif known.unit == "share":
            yield 100 * known.value, True
    elif known.unit != "%":
        yield known.value, known.unit == "share"


def _is_rounded(one: Number, value: float, share: bool) -> bool:
    if not (math.isfinite(one.value) and math.isfinite(value)):
        return False
    off = abs(one.value - value)
    if off <= 1e-9 * max(abs(value), abs(one.value)):
        return True
    whole = 100.0 if one.kind == "percent" else 1.0
    if one.kind == "ordinal" or one.digits == 0 or (share and one.value in (0.0, whole)):
        return False
    if float(value).is_integer() and one.step <= 1 and float(one.value).is_integer():
        return False
    enough = one.digits > 1 or off <= ROUNDED * abs(value)
    return enough and off <= one.step / 2 * (1 + 1e-9)
