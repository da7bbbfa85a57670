"""Who runs on which cores. Where the system cannot say (macOS), everybody runs on all of them."""

import os
from collections.abc import Sequence


def shared_out(wanted: int) -> tuple[list[int], list[int]]:
    """The cores of the contenders and those of the client.

    Args:
        wanted: Cores for the contenders. What is left is the client's; when nothing is, it shares
            theirs, as it would on the small machine that this service is made for.
    """
    try:
        mine = sorted(os.sched_getaffinity(0))
    except AttributeError:
        return [], []
    return mine[:wanted], mine[wanted:] or mine[:wanted]


def keep_to(process: int, cores: Sequence[int]) -> None:
    """Bind a process (0 is this one) and what it will start to some cores; none means all."""
    if cores:
        os.sched_setaffinity(process, cores)
