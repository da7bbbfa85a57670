"""Work on many items at once, answers in the items' order, and a stop that loses nothing done."""

import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import FrameType
from typing import Final, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")

AHEAD: Final = 8
"""Items under way for each thread: enough that one large picture leaves no other thread idle."""


def in_order(
    work: Callable[[Item], Answer],
    items: Iterable[Item],
    *,
    threads: int,
    stop: threading.Event,
) -> Generator[Answer, None, None]:
    """Do the work on all items in a pool of threads.

    Args:
        work: Called once for each item, in any thread.
        items: Taken only as far ahead as keeps the threads busy, so that memory does not grow with
            their number.
        threads: How many items are worked on at once.
        stop: Once it is set no further item is begun; those that were begun are answered.

    Yields:
        One answer for each item that was begun, in order and without a gap.
    """
    with ThreadPoolExecutor(threads, thread_name_prefix="screening") as pool:
        begun: deque[Future[Answer]] = deque()
        try:
            for item in items:
                if stop.is_set():
                    break
                begun.append(pool.submit(work, item))
                if len(begun) >= AHEAD * threads:
                    yield begun.popleft().result()
            while begun:
                if stop.is_set():
                    _cancel_what_waits(begun)
                oldest = begun.popleft()
                if not oldest.cancelled():
                    yield oldest.result()
        finally:
            _cancel_what_waits(begun)


def _cancel_what_waits(begun: Iterable[Future[Answer]]) -> None:
    # From the last to the first that has begun. What stands before that one is done as well, though
    # a thread that has taken it may not have begun: else it would be missing in between.
    for future in reversed(list(begun)):
        if not future.cancel():
            break


@contextmanager
def stop_on_interrupt() -> Iterator[threading.Event]:
    """Have the first Ctrl-C set an event, so that it never falls into the middle of a row.

    A second one interrupts as usual.
    """
    stop = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def note(_number: int, _frame: FrameType | None) -> None:
        stop.set()
        signal.signal(signal.SIGINT, before)

    if before is not signal.SIG_IGN:  # a shell has its background jobs ignore it
        signal.signal(signal.SIGINT, note)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
