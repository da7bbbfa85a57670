"""CPU affinity. On systems without it (macOS), every process runs on all cores."""

import os
from collections.abc import Sequence


def split_cores(wanted: int) -> tuple[list[int], list[int]]:
    """Split the cores between contenders and client.

    Args:
        wanted: Cores for the contenders. The client gets the rest; if there is none, it shares
            their cores, as on the small machines that the service is made for.

    Returns:
        The cores of the contenders and those of the client.
    """
    try:
        available = sorted(os.sched_getaffinity(0))
    except AttributeError:
        return [], []
    return available[:wanted], available[wanted:] or available[:wanted]


def pin_to_cores(process: int, cores: Sequence[int]) -> None:
    """Pin a process (0: this one) and its future children to cores; an empty list means all."""
    if cores:
        os.sched_setaffinity(process, cores)
