"""The checker: a sentence stays only if all that it says with digits stands in what it cites.

Every place is looked up in the tables again, whoever named it. What is left out is told with the
reason, so nothing disappears. See `tasks.text.number_support` for what counts as standing there.
"""

import math
import re
from collections.abc import Mapping, Sequence
from itertools import chain

from pydantic import Field

from tasks.agents.evidence import Found, Place, resolve
from tasks.agents.findings import Sentence
from tasks.agents.table_data import TableData
from tasks.parameters import Record
from tasks.text.number_support import CITATION, said, unsupported

NORMAL_95 = 1.959964
"""Quantile of the normal distribution for an interval of 95 %."""


class Citation(Record):
    """A place that the summary cites."""

    number: int
    place: Place
    told: str
    """The place and what stands there."""


class Kept(Record):
    """A sentence of the summary."""

    section: str
    text: str
    """Without citations."""
    citations: tuple[int, ...]
    numbers: int
    """Numbers, dates and names that were looked up."""

    def marked(self) -> str:
        """The sentence as Markdown with its citations, before the full stop."""
        end = self.text[-1:] if self.text[-1:] in (".", "!", "?") else ""
        marks = "".join(f"[{number}]" for number in self.citations)
        return f"{_plain(self.text.removesuffix(end))} {marks}{end or '.'}"


def _plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    return re.sub(r"([\\`*\[\]<>#|])", r"\\\1", text)


class Dropped(Record):
    """A sentence that was left out."""

    section: str
    text: str
    reason: str


class Summary(Record):
    """The sentences that are supported, those that are not, and what is cited."""

    kept: tuple[Kept, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    citations: tuple[Citation, ...] = ()
    by: str = "offline"
    """What wrote it: `offline`, or the model."""
    degraded: str = ""
    """Why no model wrote it, where one should have."""
    notes: tuple[str, ...] = ()
    written: int = Field(0)
    """Numbers, dates and names in all sentences, those that were left out among them."""

    @property
    def numbers(self) -> int:
        """Numbers, dates and names of the sentences that stayed; all of them were found."""
        return sum(one.numbers for one in self.kept)

    @property
    def support(self) -> float:
        """How sure what is written is found: lower end of the 95 % interval of its share."""
        return wilson_low(self.numbers, self.written)


def wilson_low(hits: int, of: int) -> float:
    """Lower end of Wilson's 95 % interval of a share; 0 where there is nothing to judge by.

    Source:
        Wilson 1927, Probable inference, the law of succession, and statistical inference.

    >>> round(wilson_low(10, 10), 3), wilson_low(0, 0)
    (0.722, 0.0)
    """
    if of == 0:
        return 0.0
    z2, share = NORMAL_95**2, hits / of
    middle = share + z2 / (2 * of)
    reach = NORMAL_95 * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return max(0.0, (middle - reach) / (1 + z2 / of))


def problem(sentence: Sentence, tables: Mapping[str, TableData]) -> str:
    """Why a sentence cannot stay; "" where it can."""
    if not sentence.places:
        return "cites nothing"
    try:
        found = [resolve(place, tables) for place in sentence.places]
    except LookupError as error:
        return f"cites what is not there: {error}"
    missing = unsupported(sentence.text, [one.support for one in found])
    if not missing:
        return ""
    names = ", ".join(dict.fromkeys(one.text for one in missing))
    return f"not in what it cites: {names}"


def checked(sentences: Sequence[Sentence], tables: Mapping[str, TableData]) -> Summary:
    """The summary that a list of sentences comes to."""
    numbers: dict[Place, int] = {}
    found: dict[Place, Found] = {}
    kept: list[Kept] = []
    dropped: list[Dropped] = []
    written = 0
    for given in sentences:
        plain = " ".join(CITATION.sub(" ", given.text).split())
        one = given.model_copy(update={"text": plain})
        reason = problem(one, tables)
        if reason:
            written += len(said(plain))
            dropped.append(Dropped(section=one.section, text=plain, reason=reason))
            continue
        for place in one.places:
            found[place] = resolve(place, tables)
            numbers.setdefault(place, len(numbers) + 1)
        count = len(said(plain, [found[place].support for place in one.places]))
        written += count
        cited = tuple(dict.fromkeys(numbers[place] for place in one.places))
        kept.append(Kept(section=one.section, text=plain, citations=cited, numbers=count))
    citations = tuple(
        Citation(number=number, place=place, told=found[place].told())
        for place, number in numbers.items()
    )
    return Summary(kept=tuple(kept), dropped=tuple(dropped), citations=citations, written=written)


def markdown(title: str, summary: Summary) -> str:
    """The summary as Markdown: its sentences by section, then what they cite."""
    lines = [f"# {title}", ""]
    sections = dict.fromkeys(one.section for one in summary.kept)
    for section in sections:
        lines += [f"## {section}", ""]
        lines += [one.marked() + "  " for one in summary.kept if one.section == section]
        lines.append("")
    if summary.dropped:
        lines += ["## Left out", ""]
        lines += [f"- {_plain(one.text)} ({_plain(one.reason)})" for one in summary.dropped]
        lines.append("")
    lines += ["## Sources", ""]
    lines += [f"{one.number}. {_plain(one.told)}" for one in summary.citations]
    return "\n".join(chain(lines, [""]))
