"""Admission control: a bounded queue in front of the worker threads, with a deadline on the wait.

As many jobs run as there are threads, and a bounded number waits. Clients take turns, each with its
jobs in the order in which they came. The rest is refused at once: an early "try again" serves a
ward better than a late answer. Jobs wait in the pool's own queue, so that a free thread takes the
next one without the event loop, which is busy with HTTP. Everything that is counted or decided here
happens on the event loop.
"""

import asyncio
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from service.errors import QueueFullError, ServiceError, ShuttingDownError, WaitTooLongError
from service.observability.record import note_stage
from service.screening.thread_pool import LifoThreadPool

T = TypeVar("T")

MAX_RETRY_AFTER_S = 60


class Admission:
    """Bounded queue in front of a pool of threads.

    Args:
        threads: How many jobs run at the same time.
        places: How many jobs may wait.
        deadline_s: Longest wait, in seconds.
    """

    def __init__(self, *, threads: int, places: int, deadline_s: float) -> None:
        self.threads = threads
        self.places = places
        self._deadline_s = deadline_s
        self._pool = LifoThreadPool(threads, "screening")
        self._jobs: set[Future[Any]] = set()  # running or waiting
        self._callers = 0  # calls of run() and run_all() that were admitted and have not returned
        self._mean_s = 0.1  # moving average of the duration of a job
        self._draining = False
        self._closed = False
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def running(self) -> int:
        """Jobs in a thread now, including those whose client has disconnected."""
        return min(self.threads, len(self._jobs))

    @property
    def waiting(self) -> int:
        """Jobs in the queue now."""
        return len(self._jobs) - self.running

    @property
    def draining(self) -> bool:
        """Whether new requests are refused because the service is shutting down."""
        return self._draining

    def start_threads(self) -> None:
        """Start every thread now, so that a limit on threads shows at start-up.

        Raises:
            RuntimeError: The system cannot start another thread.
        """
        self._pool.start()

    def check(self) -> None:
        """Refuse a request before its upload is read if its job could not be queued anyway.

        Raises:
            QueueFullError: The queue is full.
            ShuttingDownError: The service is shutting down.
        """
        self.check_open()
        self._check_capacity()

    def check_open(self) -> None:
        """Refuse a request if the service is shutting down.

        Raises:
            ShuttingDownError: The service is shutting down.
        """
        if self._draining:
            raise _shutting_down()

    async def run(self, work: Callable[[], T], client: str = "") -> T:
        """Run work of a client in a thread and return its result or raise its exception.

        When the caller is cancelled, work that still waits never starts; work that runs keeps its
        thread, and is counted, until it ends.

        Raises:
            QueueFullError: The queue is full.
            WaitTooLongError: No thread was free before the deadline.
            ShuttingDownError: The service is shutting down.
        """
        self._check_capacity()
        with self._caller():
            future = await self._finished(work, client, self._deadline_s)
            return future.result()

    async def run_all(
        self, works: Sequence[Callable[[], T]], client: str = ""
    ) -> list[T | Exception]:
        """Run a batch of a client, not empty, and return results and exceptions in its order.

        The first job is admitted or refused like any request, and the whole batch with it. The
        others join the end of the client's queue, at most as many at a time as there are threads:
        so a full queue does not cut a batch in half, and single requests do not wait for all of it.

        Raises:
            QueueFullError: As ``run``; so are WaitTooLongError and ShuttingDownError.
        """
        self._check_capacity()
        outcomes: dict[int, T | Exception] = {}
        indices = iter(range(len(works)))

        async def work_through(deadline_s: float | None) -> None:
            for index in indices:
                future = await self._finished(works[index], client, deadline_s)
                error = future.exception()
                outcomes[index] = error if isinstance(error, Exception) else future.result()
                deadline_s = None

        with self._caller():
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(work_through(self._deadline_s))
                    for _ in range(min(self.threads, len(works)) - 1):
                        group.create_task(work_through(None))
            except* ServiceError as refusals:
                refusal = refusals.exceptions[0]
            else:
                return [outcomes[index] for index in range(len(works))]
        raise refusal

    def drain(self) -> None:
        """Have ``check`` refuse new requests; those that passed it are still served."""
        self._draining = True

    async def close(self, timeout_s: float | None = None) -> None:
        """Refuse everything, let admitted jobs finish, then end the threads.

        Args:
            timeout_s: How long to wait for them. Then running jobs are abandoned, and waiting ones
                refused. None waits as long as it takes.
        """
        self._draining = self._closed = True
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            self._pool.shutdown(wait=False, cancel_futures=True)
        else:
            self._pool.shutdown()

    def _check_capacity(self) -> None:
        if self._closed:
            raise _shutting_down()
        if len(self._jobs) >= self.threads + self.places:
            raise QueueFullError(
                "The service has more radiographs to read than it can take on. "
                "Please send this one again shortly.",
                retry_after_s=self._retry_after_s(),
            )

    async def _finished(
        self, work: Callable[[], T], client: str, deadline_s: float | None
    ) -> Future[T]:
        """Run work in a thread; return its future when it has ended.

        Raises:
            WaitTooLongError: The work did not start before the deadline, and never will.
            ShuttingDownError: The same, because the service is shutting down.
        """
        loop = asyncio.get_running_loop()
        finished = asyncio.Event()
        queued_s, took_s = time.perf_counter(), 0.0

        def run() -> T:
            nonlocal took_s
            note_stage("queue", queued_s)
            start_s = time.perf_counter()
            try:
                return work()
            finally:
                took_s = time.perf_counter() - start_s

        def finish(future: Future[T]) -> None:
            self._jobs.discard(future)
            if not future.cancelled():
                self._mean_s += 0.1 * (took_s - self._mean_s)
            self._update_idle()
            finished.set()

        def finish_on_loop(future: Future[T]) -> None:
            with suppress(RuntimeError):  # the loop is closed: the process is ending
                loop.call_soon_threadsafe(finish, future)

        future = self._submit(run, client)
        self._jobs.add(future)
        future.add_done_callback(finish_on_loop)
        # Cancelling a future stops it only while it waits.
        deadline = loop.call_later(deadline_s, future.cancel) if deadline_s is not None else None
        try:
            await finished.wait()
        finally:
            if deadline is not None:
                deadline.cancel()
            if future.cancel():
                note_stage("queue", queued_s)
        if not future.cancelled():
            return future
        if self._closed:
            raise _shutting_down()
        raise WaitTooLongError(
            "The service was too busy to read this radiograph in time. "
            "Please send it again shortly.",
            retry_after_s=self._retry_after_s(),
        )

    def _submit(self, run: Callable[[], T], client: str) -> Future[T]:
        try:
            return self._pool.submit(run, client)
        except RuntimeError:
            if self._closed:  # the rest of a batch, after close() gave up waiting for it
                raise _shutting_down() from None
            raise

    @contextmanager
    def _caller(self) -> Iterator[None]:
        """Count a caller, so that close() waits for it even between two jobs of its batch."""
        self._callers += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._callers -= 1
            self._update_idle()

    def _update_idle(self) -> None:
        if not self._jobs and not self._callers:
            self._idle.set()

    def _retry_after_s(self) -> int:
        """Whole seconds until the current queue will have been processed."""
        expected_s = (self.waiting + 1) * self._mean_s / self.threads
        return min(MAX_RETRY_AFTER_S, max(1, math.ceil(expected_s)))


def _shutting_down() -> ShuttingDownError:
    return ShuttingDownError(
        "The service is shutting down. Please send the radiograph again shortly."
    )
