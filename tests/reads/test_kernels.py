import ast
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.reads.block import Bytes
from tasks.reads.kernels import jit, objects
from tasks.reads.kernels.words import (
    copy_bytes,
    find_byte,
    load64,
    low_bits,
    popcount,
    trailing_zeros,
)


@jit.kernel
def _words(buffer: Bytes, at: int, out: np.ndarray[tuple[int], np.dtype[np.uint64]]) -> None:
    word = load64(buffer, at)
    out[0] = word
    out[1] = popcount(word)
    out[2] = trailing_zeros(word)
    out[3] = low_bits(at)


@jit.kernel
def _bytes(buffer: Bytes, begin: int, end: int, byte: int, out: Bytes) -> int:
    copy_bytes(out, 1, buffer, begin, end - begin)
    return find_byte(buffer, begin, end, byte)


@settings(deadline=None)
@given(st.binary(min_size=40, max_size=40), st.integers(0, 32))
def test_operations_on_words_are_those_of_python(text: bytes, at: int) -> None:
    out = np.zeros(4, np.uint64)
    _words(np.frombuffer(text, np.uint8).copy(), at, out)
    word = int.from_bytes(text[at : at + 8], "little")
    lowest = (word & -word).bit_length() - 1 if word else 64
    assert out.tolist() == [word, word.bit_count(), lowest, (1 << at) - 1]


@settings(deadline=None)
@given(st.binary(max_size=40), st.data())
def test_operations_on_bytes_are_those_of_python(text: bytes, data) -> None:
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, len(text)))
    byte = data.draw(st.sampled_from([0, 10, *text]))
    out = np.zeros(50, np.uint8)
    buffer = np.frombuffer(text + b"?", np.uint8).copy()
    assert _bytes(buffer, begin, end, byte, out) == text.find(bytes([byte]), begin, end)
    assert out[1 : 1 + end - begin].tobytes() == text[begin:end]


@pytest.mark.parametrize(
    "buffer",
    [
        pytest.param(np.zeros(9, np.int32), id="another type"),
        pytest.param(np.zeros(18, np.uint8)[::2], id="not contiguous"),
        pytest.param(np.zeros((3, 3), np.uint8), id="a matrix"),
        pytest.param(np.frombuffer(b"read only", np.uint8), id="not writable"),
        pytest.param([1, 2, 3], id="no array"),
    ],
)
def test_a_kernel_takes_no_other_arrays_than_it_says(buffer) -> None:
    with pytest.raises(TypeError, match=r"buffer: .*; expected a contiguous, writable array"):
        _bytes(buffer, 0, 1, 1, np.zeros(50, np.uint8))


def test_a_kernel_takes_as_many_arguments_as_it_says() -> None:
    with pytest.raises(TypeError, match="_bytes takes 5 arguments, got 1"):
        _bytes(np.zeros(9, np.uint8))


@jit.kernel
def _scratch(count: int, into: np.ndarray[tuple[int], np.dtype[np.int64]]) -> tuple[int, int]:
    square = np.zeros((count, count), np.int64)
    for n in range(count):
        square[n, n] = n
    into[0] = square.sum()
    return count, count * count


def test_a_kernel_has_memory_of_its_own_and_gives_it_back() -> None:
    into = np.zeros(1, np.int64)
    assert _scratch(4, into) == (4, 16)
    assert into[0] == 6
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(200):
        _scratch(1000, into)  # 8 MB each time
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


@jit.kernel
def _truth(one: bool, value: float, mark: np.uint8) -> float:
    return value + float(mark) if one else -value


def test_numbers_of_all_kinds_reach_a_kernel() -> None:
    assert _truth(True, 0.5, np.uint8(255)) == 255.5
    assert _truth(False, 0.5, np.uint8(255)) == -0.5


@pytest.mark.parametrize("path", objects.kernel_files(), ids=lambda path: path.stem)
def test_kernels_share_code_only_through_the_files_that_name_the_objects(path: Path) -> None:
    tree = ast.parse(path.read_text())
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    ours = {name for name in modules if name and name.startswith("tasks.reads.kernels")}
    shared = {f"tasks.reads.kernels.{name.removesuffix('.py')}" for name in objects.SHARED}
    assert ours <= shared


FRESH = """
import sys
from pathlib import Path
import numpy as np
from tasks.reads.kernels import jit, objects, tallies
print(jit.is_warm(), len(objects.missing([Path(tallies.__file__)])))
tallies.tally.load()
print(len(objects.missing([Path(tallies.__file__)])), "numba" in sys.modules)
"""


def test_a_kernel_is_compiled_once_and_loaded_without_numba(tmp_path: Path) -> None:
    env = os.environ | {objects.CACHE: str(tmp_path / "new")}
    told = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", FRESH], env=env, capture_output=True, check=True, text=True
        )
        told.append(done.stdout.split())
    assert told == [["False", "1", "0", "False"], ["False", "0", "0", "False"]]
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0, "others may not write code there"


def test_a_kernel_that_cannot_be_compiled_says_why(tmp_path: Path, monkeypatch) -> None:
    file = tmp_path / "wrong.py"
    file.write_text(
        "from tasks.reads.kernels.jit import kernel\n\n"
        "@kernel\ndef wrong(count: int) -> int:\n    return missing + count\n"
    )
    monkeypatch.setattr(objects, "_folder", lambda: tmp_path)
    with pytest.raises(RuntimeError, match=r"(?s)kernels cannot be compiled: .*missing"):
        objects.address(file, "wrong")
