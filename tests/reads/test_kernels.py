import ast
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.reads.block import Bytes
from tasks.reads.kernels import jit
from tasks.reads.kernels.words import (
    copy_bytes,
    find_byte,
    load64,
    low_bits,
    popcount,
    trailing_zeros,
)

MODULES = sorted(path for path in jit.FOLDER.glob("*.py") if path.name != "__init__.py")


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


def test_a_kernel_takes_no_other_types_instead_of_being_compiled_again() -> None:
    out = np.zeros(50, np.uint8)
    with pytest.raises(TypeError, match="No matching definition"):
        _bytes(np.zeros(9, np.int32), 0, 1, 1, out)
    with pytest.raises(TypeError, match="No matching definition"):
        _bytes(np.zeros(18, np.uint8)[::2], 0, 1, 1, out)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_kernels_share_code_only_through_the_files_that_name_the_cache(path: Path) -> None:
    tree = ast.parse(path.read_text())
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    ours = {name for name in modules if name and name.startswith("tasks.reads.kernels")}
    assert ours <= {f"tasks.reads.kernels.{name.removesuffix('.py')}" for name in jit.SHARED}


def test_a_cache_is_warm_once_all_kernels_are_compiled(tmp_path: Path, monkeypatch) -> None:
    jit.warm_modules()
    monkeypatch.setattr(jit, "KERNELS", [_words])
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "new"))
    told: list[str] = []
    assert not jit.is_warm()
    assert jit.warmup(told.append)[0] == 1
    assert told == ["_words"]
    assert jit.is_warm()


def test_the_target_is_pinned_and_the_users_choice_stays() -> None:
    code = "import os, tasks.reads.kernels.jit; print(os.environ.get('NUMBA_CPU_NAME'))"
    env = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    for given_name, expected in ((None, jit.TARGET), ("skylake", "skylake")):
        env |= {"NUMBA_CPU_NAME": given_name} if given_name else {}
        done = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, check=True, text=True
        )
        assert done.stdout.strip() in {expected, "None"}
