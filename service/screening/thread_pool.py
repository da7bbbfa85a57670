"""A pool of worker threads in which the thread that was busy last gets the next work."""

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

from service.screening.fair_queue import FairQueue

T = TypeVar("T")

_Task = tuple[Future[Any], Callable[[], Any]]
_Inbox = SimpleQueue[_Task | None]


class WorkerError(Exception):
    """Work raised what would have ended its thread, or confused whoever waits for its future."""


class LifoThreadPool:
    """A thread pool with one queue, in which clients take turns, and a stack of idle threads.

    ``ThreadPoolExecutor`` wakes the thread that has been idle longest. With one client, whose
    radiographs come one after another, each then ran in another thread, with cold caches and
    another heap: inference took a seventh longer.

    Args:
        threads: Number of threads.
        name: Prefix of their names.
    """

    def __init__(self, threads: int, name: str) -> None:
        self._lock = threading.Lock()
        self._queue: FairQueue[Future[Any], Callable[[], Any]] = FairQueue()
        self._idle: list[_Inbox] = []
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}_{number}", daemon=True)
            for number in range(threads)
        ]
        self._started = 0

    def start(self) -> None:
        """Start every thread that has not been started yet.

        Raises:
            RuntimeError: The system cannot start another thread.
        """
        for thread in self._threads[self._started :]:
            thread.start()
            self._started += 1

    def submit(self, work: Callable[[], T], client: str = "") -> Future[T]:
        """Schedule a client's work in the context of the caller. Cancelling its future dequeues it.

        The future raises what the work raised, but WorkerError for StopIteration and for what is no
        Exception: CancelledError would pass for the waiter's own, SystemExit end the process.

        Raises:
            RuntimeError: The pool has been shut down.
        """
        self.start()
        future: Future[T] = Future()
        call = partial(contextvars.copy_context().run, work)
        with self._lock:
            if self._closed:
                raise RuntimeError("The pool has been shut down.")
            if self._idle:
                self._idle.pop().put((future, call))
            else:
                self._queue.put(client, future, call)
        future.add_done_callback(partial(self._remove, client))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Accept no more work, finish or cancel what is queued, and end the threads."""
        with self._lock:
            self._closed = True
            queued = list(self._queue) if cancel_futures else []
            idle, self._idle = self._idle, []
        for future in queued:
            future.cancel()
        for inbox in idle:
            inbox.put(None)
        for thread in self._threads[: self._started] if wait else ():
            thread.join()

    def _remove(self, client: str, future: Future[Any]) -> None:
        with self._lock:
            self._queue.remove(client, future)

    def _work(self) -> None:
        inbox: _Inbox = SimpleQueue()
        while (task := self._next(inbox)) is not None:
            _run(*task)
            del task  # so that an idle thread keeps no radiograph alive

    def _next(self, inbox: _Inbox) -> _Task | None:
        """Wait for the next task; None when the pool has been shut down."""
        with self._lock:
            if self._queue:
                return self._queue.pop()
            if self._closed:
                return None
            self._idle.append(inbox)
        return inbox.get()


def _run(future: Future[Any], work: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - it is raised in whoever waits for the future
        future.set_exception(_harmless(error))
        del future, work  # the error's traceback refers to this frame: break the cycle
    else:
        future.set_result(result)


def _harmless(error: BaseException) -> Exception:
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    harmless = WorkerError()
    harmless.__cause__ = error
    return harmless
