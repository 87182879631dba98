"""Kernels that write changed texts into a new buffer, or find where low quality begins."""

# ruff: noqa: PLR0917 -- kernels take plain arrays, by place

import numpy as np
from numpy.typing import NDArray

from tasks.reads.block import Bytes, Integers
from tasks.reads.kernels.jit import kernel
from tasks.reads.kernels.words import copy_bytes


@kernel
def rewrite(
    buffer: Bytes,
    start: Integers,
    length: Integers,
    chosen: NDArray[np.bool_],
    table: Bytes,
    backwards: bool,
    into: Bytes,
    into_start: Integers,
) -> None:
    """Copy texts; the chosen ones letter by letter through `table`, from the end if `backwards`."""
    for row in range(len(start)):
        begin = start[row]
        target = into_start[row]
        count = length[row]
        if not chosen[row]:
            copy_bytes(into, target, buffer, begin, count)
        elif backwards:
            last = begin + count - 1
            for place in range(count):
                into[target + place] = table[buffer[last - place]]
        else:
            for place in range(count):
                into[target + place] = table[buffer[begin + place]]


@kernel
def enclose(
    buffer: Bytes,
    start: Integers,
    length: Integers,
    chosen: NDArray[np.bool_],
    front: Bytes,
    back: Bytes,
    into: Bytes,
    into_start: Integers,
) -> None:
    """Copy texts; the chosen ones with `front` before and `back` behind them."""
    before = len(front)
    for row in range(len(start)):
        target = into_start[row]
        count = length[row]
        if chosen[row]:
            copy_bytes(into, target, front, 0, before)
            copy_bytes(into, target + before, buffer, start[row], count)
            copy_bytes(into, target + before + count, back, 0, len(back))
        else:
            copy_bytes(into, target, buffer, start[row], count)


@kernel
def pick(
    buffer: Bytes,
    start: Integers,
    other: Bytes,
    other_start: Integers,
    length: Integers,
    chosen: NDArray[np.bool_],
    into: Bytes,
    into_start: Integers,
) -> None:
    """Copy texts, from `other` where chosen; `length` is that of the text that is copied."""
    for row in range(len(start)):
        if chosen[row]:
            copy_bytes(into, into_start[row], other, other_start[row], length[row])
        else:
            copy_bytes(into, into_start[row], buffer, start[row], length[row])


@kernel
def bwa_front(
    buffer: Bytes, start: Integers, length: Integers, least: int, first: Integers
) -> None:
    """Write how many letters go at the start of each quality string; `least` is a byte.

    From the start, `least - quality` is added up until the sum falls below 0; what goes is the
    stretch up to the greatest sum.
    """
    for row in range(len(start)):
        begin = start[row]
        total = 0
        greatest = 0
        cut = 0
        for place in range(length[row]):
            total += least - int(buffer[begin + place])
            if total < 0:
                break
            if total > greatest:
                greatest = total
                cut = place + 1
        first[row] = cut


@kernel
def bwa_tail(buffer: Bytes, start: Integers, length: Integers, least: int, stop: Integers) -> None:
    """Write how many letters of each quality string stay before its end; as `bwa_front`."""
    for row in range(len(start)):
        begin = start[row]
        total = 0
        greatest = 0
        cut = length[row]
        for back in range(length[row]):
            place = length[row] - 1 - back
            total += least - int(buffer[begin + place])
            if total < 0:
                break
            if total > greatest:
                greatest = total
                cut = place
        stop[row] = cut


@kernel
def window_front(
    quality: Bytes,
    start: Integers,
    bases: Bytes,
    base_start: Integers,
    length: Integers,
    width: int,
    least: int,
    first: Integers,
) -> None:
    """Write how many bases go at the start of each read before the first good window.

    A window of `width` is good when its bytes are `least` on average; reads that are no longer
    than a window go altogether.
    """
    for row in range(len(start)):
        begin = start[row]
        count = length[row]
        if count <= width:
            first[row] = count
            continue
        total = 0
        for place in range(width - 1):
            total += int(quality[begin + place])
        kept = 0
        while kept + width < count:
            total += int(quality[begin + kept + width - 1])
            if kept > 0:
                total -= int(quality[begin + kept - 1])
            if total >= least * width:
                break
            kept += 1
        if kept > 0:
            kept += width - 1
        while kept < count and bases[base_start[row] + kept] == 78:  # noqa: PLR2004 -- N
            kept += 1
        first[row] = count if kept >= count - 1 else kept


@kernel
def window_tail(
    quality: Bytes,
    start: Integers,
    bases: Bytes,
    base_start: Integers,
    length: Integers,
    width: int,
    least: int,
    stop: Integers,
) -> None:
    """Write how many bases of each read stay, up to the last good window; as `window_front`."""
    for row in range(len(start)):
        begin = start[row]
        count = length[row]
        if count <= width:
            stop[row] = 0
            continue
        total = 0
        for back in range(width - 1):
            total += int(quality[begin + count - 1 - back])
        last = count - 1
        while last - width >= 0:
            total += int(quality[begin + last - width + 1])
            if last < count - 1:
                total -= int(quality[begin + last + 1])
            if total >= least * width:
                break
            last -= 1
        if last < count - 1:
            last -= width - 1
        while last >= 0 and bases[base_start[row] + last] == 78:  # noqa: PLR2004 -- N
            last -= 1
        stop[row] = last + 1


@kernel
def window_right(
    quality: Bytes, start: Integers, length: Integers, width: int, least: int, stop: Integers
) -> None:
    """Write how many bases of each read stay before the first bad window.

    Of that window, the bases before the first bad one stay, too; as `window_front` otherwise.
    """
    for row in range(len(start)):
        begin = start[row]
        count = length[row]
        if count <= width:
            stop[row] = 0
            continue
        total = 0
        for place in range(width - 1):
            total += int(quality[begin + place])
        stop[row] = count
        for kept in range(count - width):
            total += int(quality[begin + kept + width - 1])
            if kept > 0:
                total -= int(quality[begin + kept - 1])
            if total < least * width:
                last = kept
                while last < count - 1 and quality[begin + last] >= least:
                    last += 1
                stop[row] = last
                break
