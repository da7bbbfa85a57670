"""How the process is scheduled: work that has begun is not interrupted for what wakes up."""

import os
import sys


def let_work_finish() -> bool:
    """Have threads that wake up wait their turn instead of taking a core from one at work.

    An answer wakes threads a hundred times: the event loop for each piece of an upload, the helpers
    of the inference for each of its layers. Under Linux' usual policy most of these wakings
    interrupt another radiograph in the middle, and its data leave the caches. Under SCHED_BATCH
    (see sched(7)) they do not; the share of the processor is the same, and nothing is asked for
    that takes a privilege. Threads inherit the policy of the one that starts them.

    Returns:
        Whether the system took it; others than Linux have no such thing, and it may be forbidden.
    """
    if sys.platform != "linux":
        return False
    try:
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    except OSError:
        return False
    return True
