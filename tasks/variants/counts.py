"""Reads of one sample by variant: each different text of the region is translated once."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from tasks.variants.region import JOINT, WILD_TYPE, Region, name_of, translated

OTHER_LENGTH = "other length"
AMBIGUOUS = "ambiguous bases"
MANY_CHANGES = "too many substitutions"
REASONS = (OTHER_LENGTH, AMBIGUOUS, MANY_CHANGES)


@dataclass(frozen=True, slots=True)
class Counted:
    """What the reads of a sample are; counts and lost add up to all of them."""

    counts: Mapping[str, int]
    """Variant -> reads."""
    lost: Mapping[str, int]
    """Reason -> reads."""


def counted(texts: Mapping[str, int], region: Region, max_substitutions: int) -> Counted:
    """Reads by variant.

    Args:
        texts: What was read of the region -> reads.
        region: What the wild type has there.
        max_substitutions: Variants with more residues changed are mostly reads with errors.
    """
    counts: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    length = len(region.dna)
    for text, reads in texts.items():
        if len(text) != length:
            lost[OTHER_LENGTH] += reads
        elif not set(text) <= set("ACGT"):
            lost[AMBIGUOUS] += reads
        else:
            name = name_of(translated(text), region)
            if name != WILD_TYPE and name.count(JOINT) >= max_substitutions:
                lost[MANY_CHANGES] += reads
            else:
                counts[name] += reads
    return Counted(dict(counts), dict(lost))
