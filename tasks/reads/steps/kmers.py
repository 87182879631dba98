"""Counting of the k-mers that reads have in common with reference sequences."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, field_validator

from tasks.reads.block import Bytes, Integers, Reads, Texts
from tasks.reads.formats import ReadOptions
from tasks.reads.kernels.counts import EMPTY, NO_BASE, Words, count_known, fill_slots, list_kmers
from tasks.reads.reading import BlockReader, Source
from tasks.reads.step import Stage, Surroundings
from tasks.reads.steps.calc import Calc
from tasks.reads.texts import COMPLEMENT

LONGEST = 31
"""Letters that fit into a word, with one bit to spare."""
STDIN = "--stdin--"
BATCH = 10_000
"""References that are looked at together."""


def _codes() -> Bytes:
    codes = np.full(256, NO_BASE, np.uint8)
    for code, letter in enumerate("ACGT"):
        codes[[ord(letter), ord(letter.lower())]] = code
    return codes


CODES = _codes()


@dataclass(frozen=True)
class KmerTable:
    """K-mers of up to 31 letters, in a hash table."""

    size: int
    slots: Words

    def count(self, sequences: Texts) -> Integers:
        """K-mers of each text that are in the table, each place counted; shape (n,)."""
        into = np.empty(len(sequences), np.int64)
        texts = (sequences.buffer, sequences.start, sequences.length)
        with np.errstate(over="ignore"):  # only where kernels run as Python code
            count_known(*texts, self.size, CODES, self.slots, into)
        return into


@dataclass(frozen=True)
class KmerSet:
    """K-mers of any length; slow."""

    size: int
    known: frozenset[bytes]

    def count(self, sequences: Texts) -> Integers:
        """K-mers of each text that are in the set, each place counted; shape (n,)."""
        found = [
            sum(kmer in self.known for kmer in _kmers(sequences[row], self.size))
            for row in range(len(sequences))
        ]
        return np.array(found, np.int64)


def _kmers(sequence: bytes, size: int) -> Iterator[bytes]:
    upper = sequence.upper()
    for begin in range(len(upper) - size + 1):
        yield upper[begin : begin + size]


def sequences_in(path: Path) -> Iterator[Texts]:
    """All sequences of a FASTA, FASTQ or BAM file, some at a time.

    Raises:
        InputError: It cannot be read.
    """
    options = ReadOptions(fake_quality=ord("I"), mapped=True, unmapped=True)
    reader = BlockReader(Source(("references",), ((str(path),),), options), BATCH)
    try:
        for block in reader:
            yield block.segments["references"].sequence
    finally:
        reader.close()


def known_kmers(
    references: Iterable[Texts], size: int, least: int, *, both: bool
) -> KmerTable | KmerSet:
    """The k-mers that occur often enough in reference sequences.

    Args:
        size: Letters in a k-mer.
        least: Occurrences, of both strands together if `both`.
        both: Whether the other strand counts, too.
    """
    if size > LONGEST:
        return _long_kmers(references, size, least, both=both)
    lists = []
    for texts in references:
        into = np.empty(int(texts.length.sum()) * (2 if both else 1), np.uint64)
        found = list_kmers(texts.buffer, texts.start, texts.length, size, CODES, both, into)
        lists.append(into[:found])
    words, counts = np.unique(np.concatenate([np.empty(0, np.uint64), *lists]), return_counts=True)
    words = words[counts >= least]
    slots = np.full(2 ** (2 * len(words)).bit_length(), EMPTY)
    with np.errstate(over="ignore"):
        fill_slots(words, slots)
    return KmerTable(size, slots)


def _long_kmers(references: Iterable[Texts], size: int, least: int, *, both: bool) -> KmerSet:
    counts: dict[bytes, int] = {}
    for texts in references:
        for row in range(len(texts)):
            for kmer in _kmers(texts[row], size):
                if set(kmer) <= set(b"ACGT"):
                    other = [kmer.translate(COMPLEMENT.tobytes())[::-1]] if both else []
                    for one in (kmer, *other):
                        counts[one] = counts.get(one, 0) + 1
    return KmerSet(size, frozenset(kmer for kmer, count in counts.items() if count >= least))


class CalcKmers(Calc):
    """Number of k-mers of a read that occur in reference sequences."""

    action: Literal["CalcKmers"] = "CalcKmers"
    references: list[str] = Field(
        alias="files",
        title="Files",
        description="FASTA or FASTQ with references, gzip or zstd as well",
    )
    k: int = Field(ge=1, title="k", description="letters in a k-mer [nt]")
    count_reverse_complement: bool = Field(
        title="Both strands", description="whether the other strand of the references counts, too"
    )
    min_count: int = Field(
        1, ge=1, title="At least", description="occurrences in the references that make it count"
    )

    @field_validator("references", mode="before")
    @classmethod
    def _one_is_a_list(cls, files: object) -> object:
        return [files] if isinstance(files, str) else files

    @field_validator("references")
    @classmethod
    def _some(cls, files: list[str]) -> list[str]:
        if not files:
            raise ValueError("no files; expected at least one filename for the k-mer database")
        if STDIN in files:
            raise ValueError("the k-mer database cannot be read from stdin; expected a file")
        return files

    def build(self, around: Surroundings) -> Stage:
        """Reads the references, then counts."""
        references = (
            texts for name in self.references for texts in sequences_in(around.folder / Path(name))
        )
        table = known_kmers(references, self.k, self.min_count, both=self.count_reverse_complement)

        def count(reads: Reads) -> Integers:
            return table.count(reads.sequence)

        return self.summed(around, count)
