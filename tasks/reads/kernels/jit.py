"""How kernels are compiled: for one pinned target, into a cache that later processes load.

A kernel is a plain function over arrays and numbers whose annotations give its one signature:

    @kernel
    def count(buffer: Bytes, start: Integers, length: Integers, letter: int) -> int: ...

`int`, `float`, `bool` and NumPy scalar types are numbers; `NDArray[dtype]` is a contiguous vector,
`np.ndarray[tuple[int, int], np.dtype[dtype]]` a contiguous matrix; arrays must be writable. Any
other argument is an error instead of a second, slow compilation. `count.plain` is the function as
it was written, for tests; under NUMBA_DISABLE_JIT=1 calls go there, too.

Kernels call only `@inlined` functions, of their own module or of `kernels.words`: a change of these
files makes a new cache, a change elsewhere would go unnoticed.
"""

import hashlib
import importlib
import os
import pkgutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar, cast, get_args, get_type_hints

import llvmlite.binding  # type: ignore[import-untyped]
import numpy as np

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

FOLDER = Path(__file__).parent
SHARED = ("jit.py", "planes.py", "words.py")
"""Files whose functions become part of kernels in other files."""
TARGET = "haswell"
FEATURES = "+avx2,+bmi,+bmi2,+popcnt,+lzcnt,+fma,+sse4.2,+pclmul"
"""What every x86-64 server of the last ten years has: one cache is valid on all of them."""


def _digest(names: tuple[str, ...]) -> str:
    texts = [(FOLDER / name).read_bytes() for name in names]
    return hashlib.sha256(b"\0".join(texts)).hexdigest()[:12]


def _cache_folder() -> Path:
    """A folder of the user's that can be written; a temporary one if there is none."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "seqloom" / f"kernels-{_digest(SHARED)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.mkdtemp(prefix="seqloom-kernels-"))
    return folder if os.access(folder, os.W_OK) else Path(tempfile.mkdtemp(prefix="seqloom-"))


def _pin_target() -> None:
    """Set what numba reads from the environment; what the user has set stays."""
    if llvmlite.binding.get_host_cpu_features().get("avx2"):
        os.environ.setdefault("NUMBA_CPU_NAME", TARGET)
        os.environ.setdefault("NUMBA_CPU_FEATURES", FEATURES)
    if "NUMBA_CACHE_DIR" not in os.environ:
        os.environ["NUMBA_CACHE_DIR"] = str(_cache_folder())
    if "numba" in sys.modules:  # another package was first
        importlib.import_module("numba.core.config").reload_config()


_pin_target()
import numba  # noqa: E402 -- reads the environment when imported

PLAIN = os.environ.get("NUMBA_DISABLE_JIT", "0") not in {"", "0"}
"""Kernels run as Python code: slow, for debugging."""


def _type_of(hint: Any) -> Any:  # noqa: ANN401 -- any annotation in, a type of numba out
    """Numba's type for an annotation."""
    if hint in {int, float, bool}:
        return {int: numba.int64, float: numba.float64, bool: numba.boolean}[hint]
    if isinstance(hint, type) and issubclass(hint, np.generic):
        return numba.from_dtype(np.dtype(hint))
    shape, dtype = get_args(hint)
    sizes = get_args(shape)
    dimensions = 1 if Ellipsis in sizes else len(sizes)
    return numba.types.Array(numba.from_dtype(np.dtype(get_args(dtype)[0])), dimensions, "C")


class Kernel(Generic[Arguments, Result]):
    """A function that is compiled, or loaded from the cache, when it is called first."""

    def __init__(self, plain: Callable[Arguments, Result]) -> None:
        self.plain = plain
        self.__doc__ = plain.__doc__
        self.__name__ = plain.__name__
        self._call: Callable[Arguments, Result] | None = plain if PLAIN else None

    def __call__(self, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        """What the plain function gives for these arguments."""
        return (self._call or self.compile())(*args, **kwargs)

    def compile(self) -> Callable[Arguments, Result]:
        """The compiled function."""
        if self._call is None:
            hints = get_type_hints(self.plain)
            hints.pop("return", None)
            make = numba.njit(nogil=True, cache=True, boundscheck=False, error_model="numpy")
            dispatcher = make(self.plain)
            dispatcher.compile(tuple(_type_of(hint) for hint in hints.values()))
            dispatcher.disable_compile()
            self._call = cast("Callable[Arguments, Result]", dispatcher)
        return self._call


KERNELS: list[Kernel[Any, Any]] = []


def kernel(function: Callable[Arguments, Result]) -> Kernel[Arguments, Result]:
    """The function as a kernel: see above."""
    made = Kernel(function)
    KERNELS.append(made)
    return made


def inlined(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """The function as a part of the kernels that call it."""
    make = numba.njit(nogil=True, boundscheck=False, error_model="numpy", inline="always")
    made: Callable[Arguments, Result] = make(function)
    return made


def _stamp() -> Path:
    """The file that says that all kernels as they are now lie in the cache."""
    names = tuple(sorted(path.name for path in FOLDER.glob("*.py")))
    target = f"{numba.__version__}-{os.environ.get('NUMBA_CPU_NAME', 'native')}"
    folder = Path(os.environ["NUMBA_CACHE_DIR"])
    return folder / f"warm-{_digest(names)}-{sys.implementation.cache_tag}-{target}"


def is_warm() -> bool:
    """Whether a run will find its kernels compiled."""
    return PLAIN or _stamp().exists()


def warm_modules() -> None:
    """Import all modules of kernels, so that every kernel is known."""
    for module in pkgutil.iter_modules([str(FOLDER)]):
        importlib.import_module(f"tasks.reads.kernels.{module.name}")


def warmup(tell: Callable[[str], None] | None = None) -> tuple[int, float]:
    """Compile every kernel into the cache.

    Args:
        tell: Called with each kernel's name before it is compiled.

    Returns:
        How many kernels there are, and seconds.
    """
    begin = time.perf_counter()
    warm_modules()
    for each in KERNELS:
        if tell:
            tell(each.__name__)
        each.compile()
    stamp = _stamp()
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.touch()
    return len(KERNELS), time.perf_counter() - begin
