"""How FASTQ files write qualities, and how one way becomes another."""

import math
from typing import Literal

import numpy as np

from tasks.reads.block import Bytes

Encoding = Literal["Sanger", "Illumina1.3", "Solexa"]
HIGHEST = 126
_OFFSET: dict[Encoding, int] = {"Sanger": 33, "Illumina1.3": 64, "Solexa": 64}
_LOWEST: dict[Encoding, int] = {"Sanger": 33, "Illumina1.3": 64, "Solexa": 59}


def limits(encoding: Encoding) -> tuple[int, int]:
    """The lowest and the highest byte.

    Source:
        Cock et al. 2010, doi:10.1093/nar/gkp1137.
    """
    return _LOWEST[encoding], HIGHEST


def conversion(origin: Encoding, target: Encoding) -> Bytes:
    """Byte of one encoding -> byte of the other, clamped to what that can say; shape (256,).

    Source:
        Cock et al. 2010: Q_phred = 10 log10(10^(Q_solexa / 10) + 1), rounded.
    """
    low, high = limits(target)
    found = []
    for byte in range(256):
        quality = byte - _OFFSET[origin]
        if origin == "Solexa" and target != "Solexa":
            quality = _rounded(10 * math.log10(10 ** (quality / 10) + 1))
        elif target == "Solexa" and origin != "Solexa":
            odds = 10 ** (quality / 10) - 1
            quality = _rounded(10 * math.log10(odds)) if odds > 0 else -HIGHEST
        found.append(min(max(quality + _OFFSET[target], low), high))
    return np.array(found, np.uint8)


def _rounded(value: float) -> int:
    """The nearest whole number; halves away from 0."""
    return int(math.copysign(math.floor(abs(value) + 0.5), value))
