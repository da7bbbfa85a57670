"""How the process treats its memory: what is free is given back, what stays is not searched."""

import ctypes
import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

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

T = TypeVar("T")


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
    """Collect garbage and give free memory back, now and then while a block runs.

    Python searches the older objects for circles only when they have become many. In the circles of
    a finished report are its radiograph and its names, which should not stay that long. And what
    lies free between blocks in use is kept by glibc, which by itself gives back only what lies at
    the end of a heap. Together they were a quarter of the memory after some thousand requests.

    Args:
        every_s: How often. It takes 10 to 30 ms of one thread, and none while nothing was done.
    """
    trim = _malloc_trim()
    over = threading.Event()

    def tidy() -> None:
        done_s = time.process_time()
        while not over.wait(every_s):
            if time.process_time() - done_s >= _WORTH_TIDYING_S:
                gc.collect()
                if trim:
                    trim(0)
                done_s = time.process_time()

    thread = threading.Thread(target=tidy, name="tidy", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _malloc_trim() -> Callable[[int], int] | None:
    """glibc's; other C libraries have none."""
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None
    return trim


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


def lasting(make: Callable[[], T]) -> Callable[[], T]:
    """Like ``make``, and what exists by then is not searched for garbage either.

    Of TensorFlow's there are hundreds of thousands; to search them takes a third of a second each
    time, in which nobody is answered.
    """

    def made() -> T:
        it = make()
        gc.freeze()
        return it

    return made
