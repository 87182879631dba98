"""Invented protein families: ancestors that evolve by substitutions, insertions and deletions.

An ancestor is drawn from the composition of Swiss-Prot.  Each of its positions keeps a rate for
good: some hardly change and make the motifs of the family, by which profiles find relatives that
pairs of sequences do not show; and only some positions, its loops, take insertions and deletions.
What a residue changes into follows BLOSUM62.
"""

from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from random import Random
from typing import TypeAlias

from Bio.Align import substitution_matrices

COMPOSITION = {
    "A": 8.25, "R": 5.53, "N": 4.06, "D": 5.46, "C": 1.38, "Q": 3.93, "E": 6.72, "G": 7.07,
    "H": 2.27, "I": 5.91, "L": 9.65, "K": 5.80, "M": 2.41, "F": 3.86, "P": 4.74, "S": 6.64,
    "T": 5.35, "W": 1.10, "Y": 2.92, "V": 6.86,
}  # fmt: skip
"""Of UniProtKB/Swiss-Prot [%], as its release notes tell it."""
MOTIFS, LOOPS = 0.28, 0.12
"""Share of positions that hardly change; of those between which residues come and go."""
SLOW, FAST = 0.1, 1.25
"""Rates of positions: substitutions expected per unit of distance."""
GAPS = 0.35
"""Insertions or deletions expected per loop and unit of distance."""
LINKER = "GSTPENKDAQ"


@dataclass(frozen=True)
class Site:
    """A residue and how it evolves."""

    letter: str
    rate: float
    loop: bool
    origin: int
    """Position in the ancestor; -1 of a residue that was inserted."""


Sites: TypeAlias = tuple[Site, ...]


def text(sites: Sequence[Site]) -> str:
    """The sequence."""
    return "".join(site.letter for site in sites)


def drawn(length: int, random: Random) -> str:
    """Residues [aa] of natural composition."""
    return "".join(_one_of(COMPOSITION, random) for _ in range(length))


def linker(length: int, random: Random) -> str:
    """Residues of a flexible stretch between domains."""
    return "".join(LINKER[int(random.random() * len(LINKER))] for _ in range(length))


def ancestor(length: int, random: Random) -> Sites:
    """The first sequence [aa] of a superfamily; loops lie away from its ends."""

    def site(letter: str, origin: int) -> Site:
        kind = random.random()
        inner = 5 <= origin < length - 5
        loop = inner and MOTIFS < kind < MOTIFS + LOOPS
        return Site(letter, SLOW if kind < MOTIFS else FAST, loop, origin)

    return tuple(site(letter, number) for number, letter in enumerate(drawn(length, random)))


def evolved(sites: Sites, distance: float, random: Random) -> Sites:
    """A descendant at a distance: substitutions per position, of which motifs see few."""
    made: list[Site] = []
    for site in sites:
        if site.loop and random.random() < GAPS * distance:
            if random.random() < 0.5:
                continue  # deleted
            extra = drawn(1 + int(random.random() * 3), random)
            made.extend(Site(letter, FAST, False, -1) for letter in extra)
        letter = site.letter
        for _ in range(_changes(site.rate * distance, random)):
            letter = _one_of(_substitutes(letter), random)
        made.append(Site(letter, site.rate, site.loop, site.origin))
    return tuple(made)


def _changes(expected: float, random: Random) -> int:
    """How many substitutions hit a position: Poisson, by the gaps between them."""
    count, spent = 0, random.expovariate(1.0)
    while spent < expected:
        count, spent = count + 1, spent + random.expovariate(1.0)
    return count


@cache
def _substitutes(letter: str) -> dict[str, float]:
    """Weights of what a residue changes into: BLOSUM62's odds (half bits), without itself."""
    odds = substitution_matrices.load("BLOSUM62")
    return {
        other: share * 2 ** (float(odds[letter][other]) / 2)
        for other, share in COMPOSITION.items()
        if other != letter
    }


def _one_of(weights: Mapping[str, float], random: Random) -> str:
    """A key, as often as its weight says; `random()` is the same in all versions of Python."""
    place = random.random() * sum(weights.values())
    return list(weights)[bisect(list(accumulate(weights.values())), place)]
