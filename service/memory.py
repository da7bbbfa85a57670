"""How the process treats its memory: what is free is given back, what stays is not searched."""

import ctypes
import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_M_TRIM_THRESHOLD: Final = -1  # both from glibc's malloc.h
_M_MMAP_THRESHOLD: Final = -3
_LARGE_BYTES: Final = 1024 * 1024
"""A radiograph of the usual size, decoded for the networks, takes less and needs no mapping."""
_KEPT_BYTES: Final = 1024 * 1024
"""What may lie unused at the end of a thread's heap. Beside a threshold of one's own glibc leaves
it at 128 KiB; a hundred pages were then given back and fetched again with each radiograph."""
_TIDY_EVERY_S: Final = 10.0
_WORTH_TIDYING_S: Final = 0.1
"""Processor time since the last time, so that a service that only waits stays asleep."""


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
    return bool(
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES) and mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
    )


@contextmanager
def tidied(every_s: float = _TIDY_EVERY_S) -> Iterator[None]:
    """Give free memory back from between blocks in use too, now and then while a block runs.

    By itself glibc gives back what lies free at the end of a heap. What lies between blocks that
    stay it keeps: 20 to 40 MiB after pictures of all sizes have come and gone through two threads.
    Nothing is done where the C library is another one.

    Args:
        every_s: How often. It takes 1 to 20 ms of one thread, and none while nothing was done.
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        yield
        return
    over = threading.Event()

    def tidy() -> None:
        done_s = time.process_time()
        while not over.wait(every_s):
            if time.process_time() - done_s >= _WORTH_TIDYING_S:
                trim(0)
                done_s = time.process_time()

    thread = threading.Thread(target=tidy, name="tidy", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def nothing_is_garbage() -> Iterator[None]:
    """Suspend the search for garbage while things are made that stay until the process ends.

    Importing a web framework makes hundreds of thousands of objects. Python searches them for
    cycles again and again while their number grows, and once more now and then while it serves.
    What exists when the context is left is never searched; what comes later is, as ever.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
