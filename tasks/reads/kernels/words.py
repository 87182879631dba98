"""Operations on memory and on 64-bit words that kernels are made of.

Each has a plain twin for NUMBA_DISABLE_JIT=1. Offsets count bytes. The bytes that are read or
written must exist: nothing checks.
"""

# ruff: noqa: ANN001, ANN202, ARG001 -- the inner functions belong to numba's protocol
# mypy: disable-error-code="no-untyped-def, no-untyped-call, call-arg, var-annotated"
# mypy: warn_unused_ignores=False

from collections.abc import Callable
from typing import cast

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from tasks.reads.block import Bytes
from tasks.reads.kernels.jit import PLAIN, inlined

ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)


def _load64_plain(buffer: Bytes, offset: int) -> np.uint64:
    return np.uint64(buffer[offset : offset + 8].view("<u8")[0])


def _popcount_plain(word: np.uint64) -> np.uint64:
    return np.uint64(int(word).bit_count())


def _trailing_zeros_plain(word: np.uint64) -> np.uint64:
    value = int(word)
    return np.uint64((value & -value).bit_length() - 1 if value else 64)


def _copy_plain(into: Bytes, at: int, source: Bytes, begin: int, count: int) -> None:
    into[at : at + count] = source[begin : begin + count]


def _find_plain(buffer: Bytes, begin: int, end: int, byte: int) -> int:
    hits = np.flatnonzero(buffer[begin:end] == byte)
    return begin + int(hits[0]) if len(hits) else -1


@intrinsic
def _load64(_context, array, offset):
    def generate(context, builder, signature, arguments):
        start = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        place = builder.gep(start, [arguments[1]])
        word = builder.load(builder.bitcast(place, ir.IntType(64).as_pointer()))
        word.align = 1
        return word

    return types.uint64(array, types.intp), generate


@intrinsic
def _popcount(_context, word):
    def generate(context, builder, signature, arguments):
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


@intrinsic
def _trailing_zeros(_context, word):
    def generate(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), generate


@intrinsic
def _copy(_context, into, at, source, begin, count):
    def generate(context, builder, signature, arguments):
        target = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        origin = context.make_array(signature.args[2])(context, builder, arguments[2]).data
        cgutils.raw_memcpy(
            builder,
            builder.gep(target, [arguments[1]]),
            builder.gep(origin, [arguments[3]]),
            arguments[4],
            1,
        )
        return context.get_dummy_value()

    return types.void(into, types.intp, source, types.intp, types.intp), generate


@intrinsic
def _address(_context, array):
    def generate(context, builder, signature, arguments):
        start = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.ptrtoint(start, ir.IntType(64))

    return types.intp(array), generate


_memchr = types.ExternalFunction(
    "memchr", types.intp(types.intp, types.int32, types.intp)
)  # the C library's, with vector instructions; a name instead of an address can be cached


@inlined
def _find(buffer: Bytes, begin: int, end: int, byte: int) -> int:
    start = _address(buffer)
    found = _memchr(start + begin, byte, end - begin)
    return found - start if found != 0 else -1


load64 = cast("Callable[[Bytes, int], np.uint64]", _load64_plain if PLAIN else _load64)
"""Eight bytes as a word, the first one lowest; 8 bytes must lie behind the offset."""
popcount = cast("Callable[[np.uint64], np.uint64]", _popcount_plain if PLAIN else _popcount)
"""Number of bits that are set."""
trailing_zeros = cast(
    "Callable[[np.uint64], np.uint64]", _trailing_zeros_plain if PLAIN else _trailing_zeros
)
"""Number of zero bits below the lowest set one; 64 for 0."""
copy_bytes = cast("Callable[[Bytes, int, Bytes, int, int], None]", _copy_plain if PLAIN else _copy)
"""Copy `count` bytes: (into, at, source, begin, count)."""
find_byte = cast("Callable[[Bytes, int, int, int], int]", _find_plain if PLAIN else _find)
"""Place of the first such byte in buffer[begin:end], or -1: (buffer, begin, end, byte)."""


@inlined
def low_bits(count: int) -> np.uint64:
    """A word with that many low bits set, 0 to 64."""
    if count >= 64:  # noqa: PLR2004 -- bits of a word
        return ALL
    return (np.uint64(1) << np.uint64(count)) - np.uint64(1)


def _product_plain(one: np.uint64, other: np.uint64) -> np.uint64:
    return np.uint64(int(one) * int(other) & int(ALL))


@inlined
def _product_compiled(one: np.uint64, other: np.uint64) -> np.uint64:
    return one * other


product = _product_plain if PLAIN else _product_compiled
"""Of two words, without what does not fit into a word."""
