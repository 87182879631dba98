"""Objects: the machine code of each file of kernels, in a cache that later processes load.

An object is named for its file, the text of that file and of the shared ones, the compiler and the
target. The target is pinned to what every x86-64 server of the last ten years has, so that one
cache serves all of them; it holds code that will be run, so only its owner may write there.
"""

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
SHARED = ("intrinsics.py", "jit.py", "planes.py", "words.py")
"""Files whose functions become part of kernels in other files, or say how they are called."""
AROUND = ("__init__.py", "compiling.py", "objects.py")
"""Files that hold neither kernels nor parts of them."""
TARGET = "haswell"
FEATURES = "+avx2,+bmi,+bmi2,+popcnt,+lzcnt,+fma,+sse4.2,+pclmul"
COMPILING = "SEQLOOM_COMPILES_KERNELS"
"""Variable that is set in processes that compile."""
CACHE = "SEQLOOM_KERNELS"
"""Variable that names the folder of objects."""
AT_ONCE = 2
"""Processes that compile at once; each takes some 300 MB."""

_lock = threading.Lock()
_engine: Any = None
_loaded: set[Path] = set()


def kernel_files() -> list[Path]:
    """The files of this package that hold kernels."""
    names = {*SHARED, *AROUND}
    return sorted(path for path in FOLDER.glob("*.py") if path.name not in names)


@cache
def target() -> tuple[str, str]:
    """Processor and its features that kernels are compiled for."""
    import llvmlite.binding as llvm  # type: ignore[import-untyped]

    host = llvm.get_host_cpu_features()
    if host.get("avx2") and host.get("bmi2") and host.get("fma"):
        return TARGET, FEATURES
    return llvm.get_host_cpu_name(), host.flatten()


@cache
def _folder() -> Path:
    """Where objects lie: beside the code, as Python keeps its own, or in the user's cache."""
    if os.environ.get(CACHE):
        return Path(os.environ[CACHE])
    beside = FOLDER / "__pycache__"
    with suppress(OSError):
        beside.mkdir(exist_ok=True)
    if os.access(beside, os.W_OK) or any(beside.glob("*.o")):
        return beside
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seqloom"


@cache
def _compiler() -> str:
    name, features = target()
    return f"{version('numba')} {version('llvmlite')} {name} {features}"


@cache
def object_of(file: Path) -> Path:
    """Where the object of a file of kernels lies, or will lie."""
    texts = [_compiler().encode(), file.read_bytes()]
    texts += [(FOLDER / name).read_bytes() for name in SHARED]
    digest = hashlib.sha256(b"\0".join(texts)).hexdigest()[:16]
    return _folder() / f"{file.stem}.{digest}.o"


def missing(files: Sequence[Path]) -> list[Path]:
    """Those whose object is not there."""
    return [file for file in files if not object_of(file).exists()]


def compile_files(files: Sequence[Path]) -> None:
    """Compile files of kernels, in processes of their own.

    Raises:
        RuntimeError: One of them cannot be compiled.
    """
    shares = [share for n in range(AT_ONCE) if (share := files[n::AT_ONCE])]
    name, features = target()
    environment = {
        **os.environ,
        COMPILING: "1",
        CACHE: str(_folder()),
        "NUMBA_CPU_NAME": name,
        "NUMBA_CPU_FEATURES": features,
        "NUMBA_DISABLE_JIT": "0",
        "NUMBA_DISABLE_ERROR_MESSAGE_HIGHLIGHTING": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    argv = [sys.executable, "-m", "tasks.reads.kernels.compiling"]
    running = [
        subprocess.Popen(  # noqa: S603 -- this Python, our module, our files
            [*argv, *map(str, share)], env=environment, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
        )
        for share in shares
    ]  # fmt: skip
    told = [process.communicate()[1] for process in running]
    for process, text in zip(running, told, strict=True):
        if process.returncode:
            raise RuntimeError(f"kernels cannot be compiled: {text.decode(errors='replace')}")


def address(file: Path, kernel: str) -> int:
    """Address of a kernel's machine code; compiles its file if nobody has."""
    with _lock:
        place = object_of(file)
        if place not in _loaded:
            if not place.exists():
                compile_files([file])
            _load(place)
        found = int(_engine.get_function_address(symbol(file, kernel)))
    if not found:
        raise RuntimeError(f"{place}: has no kernel {kernel}")
    return found


def symbol(file: Path, kernel: str) -> str:
    """Name of a kernel in its object."""
    return f"seqloom_{file.stem}_{kernel}"


def _load(place: Path) -> None:
    global _engine  # noqa: PLW0603 -- one for the process: it owns the memory of the code
    import llvmlite.binding as llvm

    if _engine is None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        machine = llvm.Target.from_default_triple().create_target_machine(codemodel="jitdefault")
        _engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    _engine.add_object_file(llvm.ObjectFileRef.from_path(str(place)))
    _engine.finalize_object()
    _loaded.add(place)
