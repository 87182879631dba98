"""What the C library does with the memory of blocks that are done."""

import ctypes
from functools import cache

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
KEPT = 1 << 30
"""Free bytes at the top of the heap that are not handed back."""
LARGEST = 32 << 20
"""Bytes from which memory is the system's own piece; the greatest that glibc takes."""


@cache
def keep_freed_memory() -> None:
    """Let this process use the memory of one block for the next ones.

    Without it glibc hands large pieces back as they are freed, and the system fills each new one
    with zeros, page by page: a twelfth of the time that reads take. The blocks in flight are
    bounded, and so is what is kept. Other C libraries than glibc are left as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, KEPT)
        mallopt(M_MMAP_THRESHOLD, LARGEST)
