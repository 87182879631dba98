"""Programs on this machine: where they are, and which package brings those that are not."""

import functools
import shutil
from pathlib import Path

from blocks.errors import InputError

PACKAGES = {
    "mmseqs": "mmseqs2",
    "blastp": "ncbi-blast+",
    "makeblastdb": "ncbi-blast+",
    "hhsearch": "hhsuite",
    "hhblits": "hhsuite",
    "hhmake": "hhsuite",
    "ffindex_apply": "hhsuite",
    "ffindex_build": "hhsuite",
    "cstranslate": "hhsuite",
}
"""Debian package of each program that Seqloom runs."""

OUTSIDE_PATH = {"cstranslate": Path("/usr/libexec/hhsuite")}
"""Where Debian puts programs that are not on PATH; there is one for each kind of processor."""
PROCESSORS = {"avx2": "avx2", "avx": "avx", "sse4.1": "sse4_1", "ssse3": "ssse3", "sse3": "pni"}
"""End of a program's name, and the flag in /proc/cpuinfo that it needs; the fastest first."""


def find_program(name: str) -> Path | None:
    """Absolute path of a program, None where it is not installed."""
    found = shutil.which(name)
    if found is None and (folder := OUTSIDE_PATH.get(name)) is not None:
        paths = (folder / f"{name}-{end}" for end in [*_processor(), "plain"])
        return next((path for path in paths if path.is_file()), None)
    return None if found is None else Path(found).absolute()


def require_programs(*names: str) -> None:
    """Raise before any work where a program is not installed.

    Raises:
        InputError: With the package to install.
    """
    for name in names:
        if find_program(name) is None:
            raise not_found(name)


@functools.lru_cache(maxsize=1)
def _processor() -> tuple[str, ...]:
    """Kinds of programs that this processor can run, besides the plain one."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text(encoding="ascii").split())
    except OSError:
        return ()
    return tuple(end for end, flag in PROCESSORS.items() if flag in flags)


def not_found(name: str) -> InputError:
    """What to raise where a program is not installed."""
    package = PACKAGES.get(Path(name).name)
    remedy = f"; install it: sudo apt-get install {package}" if package else ""
    return InputError(f"{name}: no such program; expected it on PATH{remedy}")
