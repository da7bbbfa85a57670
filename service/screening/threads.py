"""Threads that work off one queue; of those that are idle, the one that worked last goes on."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")


class _Job:
    def __init__(self, work: Callable[[], Any]) -> None:
        self.future: Future[Any] = Future()
        self._work = work

    def __call__(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self._work()
        except BaseException as error:  # noqa: BLE001 - it goes to whoever waits
            self.future.set_exception(error)
            # The error knows this frame, and with it would keep itself and the work alive.
            self = None  # type: ignore[assignment] # noqa: PLW0642
        else:
            self.future.set_result(result)


_Inbox = SimpleQueue[_Job | None]


class LastFirst(Executor):
    """A pool of threads whose caches are warm.

    ``ThreadPoolExecutor`` wakes the thread that has been idle longest. With one client, whose
    radiographs come one after another, each then went to another thread, on another core and with
    another heap: inference took a seventh longer.

    Args:
        count: How many threads.
        name: What theirs begin with.
    """

    def __init__(self, count: int, name: str) -> None:
        self._lock = threading.Lock()
        self._queue: deque[_Job] = deque()
        self._idle: list[_Inbox] = []
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}_{number}", daemon=True)
            for number in range(count)
        ]
        self._started = 0

    def start(self) -> None:
        """Start every thread that is not started yet.

        Raises:
            RuntimeError: The system gives no more threads.
        """
        for thread in self._threads[self._started :]:
            thread.start()
            self._started += 1

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have a thread call a function, when one comes free."""
        self.start()
        job = _Job(partial(fn, *args, **kwargs))
        with self._lock:
            if self._closed:
                raise RuntimeError("The pool is closed.")
            if self._idle:
                self._idle.pop().put(job)
            else:
                self._queue.append(job)
        return job.future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take nothing new, work off the queue or cancel it, and end the threads."""
        with self._lock:
            self._closed = True
            dropped = list(self._queue) if cancel_futures else []
            if cancel_futures:
                self._queue.clear()
            idle, self._idle = self._idle, []
        for job in dropped:
            job.future.cancel()
        for inbox in idle:
            inbox.put(None)
        for thread in self._threads[: self._started] if wait else ():
            thread.join()

    def _work(self) -> None:
        inbox: _Inbox = SimpleQueue()
        while (job := self._next(inbox)) is not None:
            job()
            del job  # and what it holds, before this waits

    def _next(self, inbox: _Inbox) -> _Job | None:
        """The next job, waited for; None at the end."""
        with self._lock:
            if self._queue:
                return self._queue.popleft()
            if self._closed:
                return None
            self._idle.append(inbox)
        return inbox.get()
