"""Words and sentences of a text as places in it, 0-based and half-open.

Made for languages that put spaces between words; English abbreviations and stop words.
"""

import re
from collections.abc import Iterator

Span = tuple[int, int]

_WORD = re.compile(r"\d+(?:[.,]\d+)+|\w+(?:['\u2019\-]\w+)*")
_END = re.compile(r"(?<![.!?\u2026])[.!?\u2026]++[\"')\]\u201d\u2019]*+(?=\s)|\n\s*\n")
_BEFORE = re.compile(r"[\w.&\-]*$")
_OPENING = re.compile(r"\s*([\"'(\[\u201c\u2018]*)(\w*)")
_STOP_WORDS_TEXT = (
    "a about after again all also although am an and any are as at be because been before being "
    "below between both but by can could did do does doing during each either for from further "
    "had has have having he her here hers him his how however i if in into is it its itself just "
    "may me might more most must my no nor not of off on once only or other our ours out over own "
    "same she should since so some such than that the their theirs them then there therefore "
    "these they this those through thus to too under until up upon us very was we were what when "
    "where whereas whether which while who whom whose why will with within without would you your "
    "yours"
)
STOP_WORDS = frozenset(_STOP_WORDS_TEXT.split())
_NEVER_LAST_TEXT = (
    "dr mr mrs ms prof st fig figs eq eqs ref refs vs cf ca e.g i.e approx resp sp spp var "
    "vol p pp ed eds jan feb mar apr jun jul aug sep sept oct nov dec gen sen col"
)
_NEVER_LAST = frozenset(_NEVER_LAST_TEXT.split())
"""Abbreviations that something follows."""
_SELDOM_LAST_TEXT = "al etc no nos inc ltd co corp jr sr ph.d m.d b.sc m.sc u.s u.k d.c"
_SELDOM_LAST = frozenset(_SELDOM_LAST_TEXT.split())
"""Abbreviations that end a sentence only where a usual opening word follows."""


def word_spans(text: str) -> Iterator[Span]:
    """Where the words stand; apostrophes, hyphens and decimals belong to them.

    >>> [("It's 1.5-fold IL-2."[a:b]) for a, b in word_spans("It's 1.5-fold IL-2.")]
    ["It's", '1.5', 'fold', 'IL-2']
    """
    return (match.span() for match in _WORD.finditer(text))


def words(text: str) -> list[str]:
    """The words themselves."""
    return _WORD.findall(text)


def telling_words(text: str) -> list[str]:
    """Words in lower case without stop words; with them, where nothing else is left.

    >>> telling_words("The Cell and the nucleus")
    ['cell', 'nucleus']
    """
    found = [word.casefold() for word in words(text)]
    return [word for word in found if word not in STOP_WORDS] or found


def sentence_spans(text: str) -> Iterator[Span]:
    """Where the sentences stand, without the space around them.

    A full stop after an abbreviation, an initial or inside of a number ends none; an empty line
    ends one.

    >>> text = "Dr. Smith saw E. coli. It grew 1.5 times (Fig. 2). Why?"
    >>> [text[a:b] for a, b in sentence_spans(text)]
    ['Dr. Smith saw E. coli.', 'It grew 1.5 times (Fig. 2).', 'Why?']
    """
    begin = 0
    for match in _END.finditer(text):
        if match[0].isspace() or _ends(text, match):
            yield from trimmed(text, begin, match.end())
            begin = match.end()
    yield from trimmed(text, begin, len(text))


def paragraph_spans(text: str) -> Iterator[Span]:
    """Where the paragraphs stand, which empty lines separate."""
    begin = 0
    for match in re.finditer(r"\n\s*\n", text):
        yield from trimmed(text, begin, match.start())
        begin = match.end()
    yield from trimmed(text, begin, len(text))


def trimmed(text: str, begin: int, end: int) -> Iterator[Span]:
    """A span without the space at its ends; none where nothing else is in it."""
    part = text[begin:end]
    left = len(part) - len(part.lstrip())
    if left < len(part):
        yield begin + left, begin + len(part.rstrip())


def _ends(text: str, match: re.Match[str]) -> bool:
    """Whether what looks like the end of a sentence is one."""
    opening = _OPENING.match(text, match.end())
    follows = opening[2] if opening else ""
    if follows[:1].islower() and not (opening and opening[1]):
        return False
    if not match[0].startswith(".") or match[0].startswith(".."):
        return True
    before = _BEFORE.search(text, max(0, match.start() - 20), match.start())
    word = before[0] if before else ""
    usual = follows[:1].isupper() and follows.casefold() in STOP_WORDS
    if word.casefold() in _NEVER_LAST:
        return False
    initial = len(word) == 1 and word.isalpha() and word.isupper()
    return usual if initial or word.casefold() in _SELDOM_LAST else True
