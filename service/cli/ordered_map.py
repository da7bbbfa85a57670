"""Maps a function over many items in parallel, with results in order and a clean stop."""

import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import FrameType
from typing import Final, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

IN_FLIGHT_PER_THREAD: Final = 8
"""Enough that one large picture leaves no other thread idle."""


def ordered_map(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    threads: int,
    stop: threading.Event,
) -> Generator[Result, None, None]:
    """Call a function for all items in a thread pool.

    Args:
        work: Called once for each item, in any thread.
        items: Consumed only as far ahead as keeps the threads busy, so that memory does not grow
            with their number.
        threads: How many items are processed at once.
        stop: Once it is set, no further item starts; those that have started are finished.

    Yields:
        One result for each item that started, in order and without gaps.
    """
    with ThreadPoolExecutor(threads, thread_name_prefix="screening") as pool:
        futures: deque[Future[Result]] = deque()
        try:
            for item in items:
                if stop.is_set():
                    break
                futures.append(pool.submit(work, item))
                if len(futures) >= IN_FLIGHT_PER_THREAD * threads:
                    yield futures.popleft().result()
            while futures:
                if stop.is_set():
                    _cancel_waiting(futures)
                oldest = futures.popleft()
                if not oldest.cancelled():
                    yield oldest.result()
        finally:
            _cancel_waiting(futures)


def _cancel_waiting(futures: Iterable[Future[Result]]) -> None:
    # From the last back to the last that has started. What precedes that one must not be cancelled,
    # even if its thread has not started it yet: it would leave a gap.
    for future in reversed(list(futures)):
        if not future.cancel():
            break


@contextmanager
def stop_on_interrupt() -> Iterator[threading.Event]:
    """Let the first Ctrl-C set an event, so that it never interrupts a row being written.

    A second one interrupts as usual.
    """
    stop = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def request_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()
        signal.signal(signal.SIGINT, before)

    if before is not signal.SIG_IGN:  # shells make background jobs ignore it
        signal.signal(signal.SIGINT, request_stop)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
