"""Which adapter the reads of a segment have, judged by the beginning of the input.

Rules:
  known   an adapter that makers publish, if enough reads have it; else none
  fastp   that of fastp 0.23.2: the same, or else a sequence around a frequent word; that may be one
          of the genome or of an amplicon, and then reads are cut that should not be

Source:
    fastp 0.23.2, evaluator and its tree of nucleotides; issues 639 and 673 tell of wrong guesses.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tasks.reads.block import Integers, Texts
from tasks.reads.kernels.known import count_adapters, count_words, find_word
from tasks.reads.known_adapters import KNOWN, STEMS

Rule = Literal["known", "fastp"]
LEAST_READS = 10_000
"""Fewer say nothing."""
CHECKED = {"known": (50_000, 10_000_000), "fastp": (100_000, 100_000_000)}
"""Reads and bases in which known adapters are looked for."""
ENOUGH = 1000
"""Hits of one adapter after which there is no doubt."""
SAMPLED_READS = 1 << 18
SAMPLED_BASES = 151 * SAMPLED_READS
"""In which frequent words are looked for."""
LONGEST = 60
"""Adapters of the rule `fastp` [nt]."""
LONGEST_KNOWN = 64
"""What is cut off of known ones need not be there to find them [nt]."""
WORD = 10
FIRST, LAST = 20, 1
"""Bases at the start and at the end of a read where no word begins or ends."""
TOP = 10
FOLD = 20
"""How much more frequent than the average a word must be."""
LEAST_COUNT = 10
DOMINANT, LEAST_PATHS = 0.95, 50
"""Share of the reads that must agree on the next base, and how many there must be."""


@dataclass(frozen=True, slots=True)
class FoundAdapter:
    """What was found."""

    sequence: str
    """Empty: none."""
    name: str
    """Of a known one; why there is none; else that it is a guess."""
    hits: int
    """Reads that have it, up to some 1000 for known ones."""
    reads: int
    """That were looked at."""


def find_adapter(heads: Iterable[Texts], rule: Rule) -> FoundAdapter:
    """The adapter that reads have behind their inserts.

    Args:
        heads: Sequences in the order of the input; not more are taken than are needed.
        rule: See the module.
    """
    kept: list[Texts] = []
    reads = bases = 0
    known = _KnownAdapters(KNOWN if rule == "fastp" else STEMS, *CHECKED[rule])
    for texts in heads:
        fitting = int(np.searchsorted(np.cumsum(texts.length), SAMPLED_BASES - bases)) + 1
        part = texts.take(np.arange(min(len(texts), SAMPLED_READS - reads, fitting)))
        reads += len(part)
        bases += int(part.length.sum())
        known.add(part)
        if rule == "fastp":
            kept.append(_compact(part))
        full = reads >= SAMPLED_READS or bases >= SAMPLED_BASES
        if full or (known.is_done and reads >= LEAST_READS and (rule == "known" or known.found)):
            break
    if reads < LEAST_READS:
        return FoundAdapter("", f"none: fewer than {LEAST_READS} reads", 0, reads)
    if (found := known.result(rule)) is not None:
        return found
    if rule == "fastp":
        return _guessed(kept, reads)
    return FoundAdapter("", "none: no known adapter in enough reads", 0, known.checked)


class _KnownAdapters:
    """Counts the reads that have each of the known adapters."""

    def __init__(self, known: Mapping[str, str], reads: int, bases: int) -> None:
        self._limits = reads, bases
        self._names = dict(sorted(known.items()))
        letters = "".join(self._names).encode()
        self._letters = np.frombuffer(bytearray(letters), np.uint8)
        self._size = np.array([len(one) for one in self._names], np.int64)
        self._at = np.cumsum(self._size) - self._size
        self._hits = np.zeros(len(self._size), np.int64)
        self._mismatches = np.zeros(len(self._size), np.int64)
        self._bases = 0
        self.checked = 0
        self.is_done = False
        """More reads would change nothing."""

    def add(self, texts: Texts) -> None:
        """Look at more reads, as far as it is of use."""
        if self.is_done:
            return
        reads, bases = self._limits
        fitting = int((self._bases + np.cumsum(texts.length) <= bases).sum())
        count = min(len(texts), reads - self.checked, fitting)
        looked = count_adapters(
            texts.buffer, texts.start[:count], texts.length[:count], self._letters, self._at,
            self._size, ENOUGH, self._hits, self._mismatches,
        )  # fmt: skip
        self._bases += int(texts.length[:looked].sum())
        self.is_done = looked < len(texts)
        # a read that is left out because there is no need counts as well
        self.checked += looked + self.is_done

    @property
    def found(self) -> bool:
        """Whether the most frequent one is frequent enough."""
        best = int(np.argmax(self._hits))
        hits, mismatches = int(self._hits[best]), int(self._mismatches[best])
        clean = hits > self.checked // 200 and mismatches < self.checked
        return hits > self.checked // 50 or clean

    def result(self, rule: Rule) -> FoundAdapter | None:
        """The most frequent one."""
        best = int(np.argmax(self._hits))
        sequence, name = list(self._names.items())[best]
        if not self.found or (rule == "fastp" and len(sequence) > LONGEST):
            return None
        return FoundAdapter(sequence[:LONGEST_KNOWN], name, int(self._hits[best]), self.checked)


def _compact(texts: Texts) -> Texts:
    """The same texts without what lies between them."""
    ends = np.cumsum(texts.length)
    each = np.repeat(texts.start - (ends - texts.length), texts.length)
    return Texts(
        texts.buffer[each + np.arange(int(ends[-1]) if len(ends) else 0)],
        ends - texts.length,
        texts.length,
    )


def _guessed(parts: Sequence[Texts], reads: int) -> FoundAdapter:
    """What surrounds the most frequent words."""
    counts = np.zeros(4**WORD, np.int64)
    for part in parts:
        count_words(part.buffer, part.start, part.length, WORD, FIRST, LAST, counts)
    for word in _frequent(counts):
        guess, hits = _extended(word, int(counts[word]), parts)
        if guess is not None:
            name = KNOWN.get(guess, "a guess, not a known adapter")
            return FoundAdapter(guess, name, hits, reads)
    return FoundAdapter("", "none: no frequent sequence", 0, reads)


def _frequent(counts: Integers) -> Iterator[int]:
    """Words that are much more frequent than others and not too simple, most frequent first."""
    number = np.arange(len(counts))
    digits = [(number >> (2 * n)) & 3 for n in range(WORD)]
    letters = [np.sum([digit == base for digit in digits], axis=0) for base in range(4)]
    simple = np.any([count >= WORD - 4 for count in letters], axis=0)
    simple |= letters[2] + letters[3] >= WORD - 2
    simple |= number >> 12 == 0xFF  # noqa: PLR2004 -- begins with GGGG
    counts = np.where(simple, 0, counts)
    total = int(counts.sum())
    changes = np.sum([digits[n] != digits[n + 1] for n in range(WORD - 1)], axis=0)
    for word in np.lexsort((-number, -counts))[:TOP].tolist():
        count = int(counts[word])
        if count < LEAST_COUNT or count * len(counts) < total * FOLD:
            return
        if changes[word] >= 3:  # noqa: PLR2004 -- fastp's
            yield word


def _extended(word: int, count: int, parts: Sequence[Texts]) -> tuple[str | None, int]:
    """The word with what reads agree on in front of and behind it, and how often it is there."""
    read, place = np.empty(count, np.int64), np.empty(count, np.int64)
    behind: list[bytes] = []
    before: list[bytes] = []
    for part in parts:
        found = find_word(
            part.buffer, part.start, part.length, WORD, FIRST, LAST, word, read, place
        )
        for row, at in zip(read[:found].tolist(), place[:found].tolist(), strict=True):
            text = part[row]
            behind.append(text[at + WORD : len(text) - LAST])
            before.append(text[:at][::-1])
    forward, whole = _agreed(behind)
    backward, also = _agreed(before)
    letters = "".join("ATCG"[(word >> (2 * n)) & 3] for n in reversed(range(WORD)))
    guess = (backward[::-1] + letters + forward)[:LONGEST]
    known = next((one for one in KNOWN if guess.startswith(one)), None)
    if known is not None:
        return known, len(behind)
    return (guess if whole and also else None), len(behind)


def _agreed(texts: list[bytes]) -> tuple[str, bool]:
    """Bases on which nearly all texts agree, and whether they ended and never parted."""
    path = bytearray()
    while True:
        following = [text[len(path)] for text in texts if len(text) > len(path)]
        following = [base for base in following if base != ord("N")]
        if len(following) < LEAST_PATHS:
            return path.decode("latin-1"), True
        bases, counts = np.unique(np.array(following, np.uint8), return_counts=True)
        best = int(np.argmax(counts))
        if counts[best] / len(following) < DOMINANT:
            return path.decode("latin-1"), False
        path.append(int(bases[best]))
        begin = bytes(path)
        texts = [text for text in texts if text.startswith(begin)]
