"""Hands the memory of decoded pictures back to the system as soon as they are done with."""

import ctypes
from typing import Final

_M_MMAP_THRESHOLD: Final = -3  # from glibc's malloc.h
_LARGE_BYTES: Final = 8 * 1024 * 1024


def return_large_blocks() -> bool:
    """Have the C library map large blocks one by one, so that freeing one really frees it.

    By default glibc raises its threshold with the first large block that is freed. From then on the
    blocks of a 30-megapixel picture come from each thread's heap and stay there, and the process
    keeps the most that it ever needed, times its threads.

    Returns:
        Whether the C library took the setting; others than glibc need none.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES))
