"""How Linux schedules the process."""

import os
import sys


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
