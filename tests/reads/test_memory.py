"""Memory that a block has had is there for the next one, without the system in between."""

import platform
import subprocess
import sys

import pytest

PAGES = 512  # of a piece
TIMES = 100
PIECES = f"""
import resource
from tasks.reads.memory import keep_freed_memory
keep_freed_memory()
begin = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range({TIMES}):
    one, other = bytearray({PAGES * 4096}), bytearray({PAGES * 4096})
    one[::4096] = other[::4096] = bytes({PAGES})
    del one, other
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - begin)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_the_next_block_gets_the_pages_of_the_last():
    faults = int(subprocess.check_output([sys.executable, "-c", PIECES]))

    assert faults < 4 * PAGES  # else of each second piece, at least: a hundred times as many
