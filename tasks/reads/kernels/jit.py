"""What a kernel is: a plain function, and its machine code, which is made once and then loaded.

A kernel is a function over arrays and numbers whose annotations give its one signature:

    @kernel
    def count(buffer: Bytes, start: Integers, length: Integers, letter: int) -> int: ...

`int`, `float`, `bool` and NumPy scalar types are numbers; `NDArray[dtype]` is a contiguous vector,
`np.ndarray[tuple[int, int], np.dtype[dtype]]` a contiguous matrix; arrays must be writable. Any
other argument is an error. Kernels give back nothing, a number or a tuple of whole numbers.
`count.plain` is the function as it was written, for tests; under NUMBA_DISABLE_JIT=1 calls go
there, too.

numba compiles kernels in a process of its own (`kernels.compiling`), file by file, for a pinned
target; what runs reads only loads the objects (`kernels.objects`), so that it starts without numba.
Kernels call only `@inlined` functions, of their own file or of `SHARED` ones: a change of these
files makes new objects, a change elsewhere would go unnoticed.
"""

import ctypes
import inspect
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar, cast, get_args, get_type_hints

import numpy as np

from tasks.reads.kernels import objects

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

PLAIN = os.environ.get("NUMBA_DISABLE_JIT", "0") not in {"", "0"}
"""Kernels run as Python code: slow, for debugging."""
COMPILING = objects.COMPILING in os.environ
"""This process compiles kernels."""
_address = ctypes.addressof
_byte: Callable[[Any], ctypes.c_char] = ctypes.c_char.from_buffer


class ArrayType:
    """A contiguous array of some type and number of dimensions, as compiled code takes it."""

    def __init__(self, hint: object) -> None:
        shape, dtype = get_args(hint)
        sizes = get_args(shape)
        self.dimensions = 1 if Ellipsis in sizes else len(sizes)
        self.dtype: np.dtype[Any] = np.dtype(get_args(dtype)[0])
        whole = [ctypes.c_int64] * (2 * self.dimensions)
        self.fields = [
            *(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p),
            *whole,
        ]

    def flat(self, name: str, value: Any) -> Sequence[int | None]:  # noqa: ANN401 -- checked here
        """Owner, parent, number and size of items, address, shape, strides.

        Raises:
            TypeError: It is another array, or none.
        """
        if not isinstance(value, np.ndarray) or not value.flags.carray:
            raise self._misfit(name, value)
        if value.dtype != self.dtype or value.ndim != self.dimensions:
            raise self._misfit(name, value)
        size = value.size
        place = _address(_byte(value)) if size else None  # a third of what NumPy's own ways take
        return (None, None, size, value.itemsize, place, *value.shape, *value.strides)

    def _misfit(self, name: str, value: object) -> TypeError:
        return TypeError(
            f"{name}: {getattr(value, 'dtype', type(value).__name__)}; expected a contiguous,"
            f" writable array of {self.dtype} with {self.dimensions} dimension(s)"
        )


class NumberType:
    """A number, as compiled code takes and gives it."""

    def __init__(self, hint: type) -> None:
        self.hint = hint
        kinds: dict[type, Any] = {int: ctypes.c_int64, float: ctypes.c_double, bool: ctypes.c_uint8}
        self.field: Any = kinds[hint] if hint in kinds else np.ctypeslib.as_ctypes_type(hint)
        self.fields = [self.field]

    def flat(self, _name: str, value: Any) -> Sequence[int | float]:  # noqa: ANN401 -- any number
        """The number by itself."""
        return (float(value),) if self.field is ctypes.c_double else (int(value),)


def type_of(hint: Any) -> ArrayType | NumberType:  # noqa: ANN401 -- any annotation
    """What an annotation of a kernel's argument means."""
    is_number = hint in {int, float, bool} or (
        isinstance(hint, type) and issubclass(hint, np.generic)
    )
    return NumberType(hint) if is_number else ArrayType(hint)


class Kernel(Generic[Arguments, Result]):
    """A function whose machine code is loaded, or made, when it is called first."""

    def __init__(self, plain: Callable[Arguments, Result]) -> None:
        self.plain = plain
        self.__doc__ = plain.__doc__
        self.__name__ = plain.__name__
        self.file = Path(inspect.getfile(plain))
        self._call: Callable[..., Result] | None = plain if PLAIN else None

    def __call__(self, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        """What the plain function gives for these arguments."""
        return (self._call or self.load())(*args, **kwargs)

    def types(self) -> tuple[dict[str, ArrayType | NumberType], Any]:
        """What each argument is, and the annotation of the result."""
        hints = get_type_hints(self.plain)
        result = hints.pop("return")
        return {name: type_of(hint) for name, hint in hints.items()}, result

    def load(self) -> Callable[..., Result]:
        """The machine code as a function."""
        if self._call is None:
            arguments, result = self.types()
            fields = [field for one in arguments.values() for field in one.fields]
            prototype = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, *fields)
            code = prototype(objects.address(self.file, self.__name__))
            self._call = _caller(self.__name__, code, arguments, result)
        return self._call


def _caller(
    kernel_name: str,
    code: Callable[..., int],
    arguments: dict[str, ArrayType | NumberType],
    result: Any,  # noqa: ANN401 -- an annotation
) -> Callable[..., Any]:
    """A function that calls machine code while other threads run.

    The convention is numba's: place of the result, place of an exception, all arguments with arrays
    in their parts.
    """
    several = get_args(result)
    number = None if several or result is type(None) else NumberType(result)
    make = ctypes.c_int64 * max(1, len(several)) if number is None else number.field
    parts = [(name, one.flat) for name, one in arguments.items()]

    def call(*args: object) -> object:
        if len(args) != len(parts):
            raise TypeError(f"{kernel_name} takes {len(parts)} arguments, got {len(args)}")
        flat = [part for (name, of), arg in zip(parts, args, strict=True) for part in of(name, arg)]
        into, exception = make(), ctypes.c_void_p()
        status = code(ctypes.byref(into), ctypes.byref(exception), *flat)
        if status:
            raise RuntimeError(f"kernel {kernel_name} failed with status {status}")
        if number is not None:
            return number.hint(into.value)
        return tuple(into) if several else None

    return call


KERNELS: list[Kernel[Any, Any]] = []


def kernel(function: Callable[Arguments, Result]) -> Kernel[Arguments, Result]:
    """The function as a kernel: see above."""
    made = Kernel(function)
    KERNELS.append(made)
    return made


def inlined(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """The function as a part of the kernels that call it."""
    if not COMPILING:
        return function
    import numba

    make = numba.njit(nogil=True, boundscheck=False, error_model="numpy", inline="always")
    return cast("Callable[Arguments, Result]", make(function))


def compiled_or(plain: Callable[Arguments, Result], name: str) -> Callable[Arguments, Result]:
    """An operation of `kernels.intrinsics` where kernels are compiled, else its plain twin."""
    if not COMPILING:
        return plain
    from tasks.reads.kernels import intrinsics

    return cast("Callable[Arguments, Result]", getattr(intrinsics, name))


def is_warm() -> bool:
    """Whether a run will find its kernels compiled."""
    return PLAIN or not objects.missing(objects.kernel_files())


def warmup(tell: Callable[[str], None] | None = None) -> int:
    """Compile every file of kernels whose object is not there; how many were compiled.

    Args:
        tell: Called with the name of each file that is to be compiled.
    """
    files = objects.missing(objects.kernel_files())
    if tell is not None:
        for file in files:
            tell(file.stem)
    objects.compile_files(files)
    return len(files)
