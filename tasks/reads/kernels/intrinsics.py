"""Operations on memory and on 64-bit words for compiled kernels; plain twins are in `words`."""

# ruff: noqa: ANN001, ANN201, ANN202, ARG001, D103 -- the functions belong to numba's protocol
# mypy: disable-error-code="no-untyped-def, no-untyped-call, call-arg, var-annotated, misc"
# mypy: warn_unused_ignores=False

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from tasks.reads.block import Bytes
from tasks.reads.kernels.jit import inlined


@intrinsic
def load64(_context, array, offset):
    def generate(context, builder, signature, arguments):
        start = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        place = builder.gep(start, [arguments[1]])
        word = builder.load(builder.bitcast(place, ir.IntType(64).as_pointer()))
        word.align = 1
        return word

    return types.uint64(array, types.intp), generate


@intrinsic
def bits32(_context, array, offset, bit):
    def generate(context, builder, signature, arguments):
        start = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        place = builder.gep(start, [arguments[1]])
        lanes = ir.VectorType(ir.IntType(8), 32)
        letters = builder.load(builder.bitcast(place, lanes.as_pointer()))
        letters.align = 1
        one = builder.trunc(arguments[2], ir.IntType(8))
        mask = builder.shl(ir.Constant(ir.IntType(8), 1), one)
        only = builder.insert_element(
            ir.Constant(lanes, ir.Undefined), mask, ir.Constant(ir.IntType(32), 0)
        )
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), 32), [0] * 32)
        spread = builder.shuffle_vector(only, ir.Constant(lanes, ir.Undefined), zeros)
        none = ir.Constant(lanes, [0] * 32)
        found = builder.icmp_unsigned("!=", builder.and_(letters, spread), none)
        return builder.zext(builder.bitcast(found, ir.IntType(32)), ir.IntType(64))

    return types.uint64(array, types.intp, types.intp), generate


@intrinsic
def popcount(_context, word):
    def generate(context, builder, signature, arguments):
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


@intrinsic
def trailing_zeros(_context, word):
    def generate(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), generate


@intrinsic
def copy_bytes(_context, into, at, source, begin, count):
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
def find_byte(buffer: Bytes, begin: int, end: int, byte: int) -> int:
    start = _address(buffer)
    found = _memchr(start + begin, byte, end - begin)
    return found - start if found != 0 else -1


@inlined
def product(one, other):
    return one * other
