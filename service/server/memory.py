"""What the process does with its memory once the model is loaded."""

import ctypes
import gc
from contextlib import suppress


def settle() -> None:
    """Spare what stays from garbage collection, and give back what loading left behind.

    Loading copies the networks' weights several times over. glibc keeps what was freed below the
    top of its heap, about 40 MiB, until it is asked; other C libraries have no such function.
    """
    gc.freeze()
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
