"""What the process asks of its system: leave to run there, its scheduling, its memory."""

import ctypes
import gc
import os
import platform
import sys
from contextlib import suppress


def unsupported_system() -> str:
    """Why this system is not supported, in a sentence or two; empty if it is.

    Windows has no file locks, resource limits and signals as they are used here: without this word
    it would end in a traceback about a missing module.
    """
    if platform.system() != "Windows":
        return ""
    return (
        "Native Windows is not supported. Use WSL 2 (run `wsl --install` once, then the same "
        "commands inside of it), or Docker Desktop (`docker compose up`)."
    )


def use_batch_scheduling() -> bool:
    """Have threads that wake up wait their turn instead of preempting one at work.

    One answer wakes threads a hundred times: the event loop for each piece of an upload, the
    helpers of the inference for each layer. Under Linux' default policy most of these wake-ups
    preempt another radiograph, whose data leave the caches. Under SCHED_BATCH (see sched(7)) they
    do not; the share of the processor is the same, and no privilege is needed. Threads inherit the
    policy of the thread that starts them.

    Returns:
        Whether it is in force: other systems have no such policy, and it may be forbidden.
    """
    if sys.platform != "linux":
        return False
    try:
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    except OSError:
        return False
    return True


def settle() -> None:
    """Spare what stays from garbage collection, and give back what loading left behind.

    Loading copies the networks' weights several times over. glibc keeps what was freed below the
    top of its heap, about 40 MiB, until it is asked; other C libraries have no such function.
    """
    gc.freeze()
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
