"""The way to the inference threads: a bounded queue, a deadline on the wait, and a clean end.

As many pieces of work run as there are threads; a bounded number waits, first come, first served;
the rest is refused at once, because an early "try again" serves a ward better than an answer that
comes when nobody waits for it any more. What waits does so in the pool's own queue: a thread that
comes free takes the next piece without waiting for the event loop, which is busy with HTTP. All
that is counted and decided here happens on the event loop.
"""

import asyncio
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TypeVar

from service.errors import QueueFullError, RefusalError, ShuttingDownError, WaitTooLongError
from service.screening.piece import Piece
from service.screening.threads import LastFirst

T = TypeVar("T")

LONGEST_RETRY_S = 60


class Admission:
    """Bounded queue in front of a pool of threads.

    Args:
        threads: Pieces of work that run at the same time.
        places: Pieces of work that may wait.
        deadline_s: Longest wait, in seconds.
    """

    def __init__(self, *, threads: int, places: int, deadline_s: float) -> None:
        self.threads = threads
        self.places = places
        self._deadline_s = deadline_s
        self._pool = LastFirst(threads, "screening")
        self._under_way: set[Future[Any]] = set()  # running or waiting
        self._visits = 0  # calls of run() and run_all() that were let in and have not returned
        self._mean_s = 0.1  # moving average of what one piece of work takes
        self._draining = False
        self._closing = False
        self._quiet = asyncio.Event()
        self._quiet.set()

    @property
    def running(self) -> int:
        """Pieces of work in a thread now, those included whose client has gone."""
        return min(self.threads, len(self._under_way))

    @property
    def waiting(self) -> int:
        """Pieces of work in the queue now."""
        return len(self._under_way) - self.running

    @property
    def draining(self) -> bool:
        """Whether nothing new is taken any more."""
        return self._draining

    def start_threads(self) -> None:
        """Start every thread now, so that a limit on threads is met here and not by a patient.

        Raises:
            RuntimeError: The system gives no more threads.
        """
        self._pool.start()

    def check(self) -> None:
        """Refuse a request before its upload is read, if it could not be worked on anyway.

        Raises:
            QueueFullError: Every waiting place is taken.
            ShuttingDownError: Nothing new is taken any more.
        """
        self.check_open()
        self._check_room()

    def check_open(self) -> None:
        """Refuse when the service is about to end.

        Raises:
            ShuttingDownError: Nothing new is taken any more.
        """
        if self._draining:
            raise _shutting_down()

    def _check_room(self) -> None:
        """Refuse work; that of a request which passed ``check`` is taken until the very end."""
        if self._closing:
            raise _shutting_down()
        if len(self._under_way) >= self.threads + self.places:
            raise QueueFullError(
                "The service has more radiographs to read than it can take on. "
                "Please send this one again shortly.",
                retry_after_s=self._retry_after_s(),
            )

    async def run(self, work: Callable[[], T]) -> T:
        """Run one piece of work in a thread and return its result or raise its exception.

        When the caller is cancelled while it waits, the work never starts; when it is cancelled
        while the work runs, the work keeps its thread, and is counted, until it ends.

        Raises:
            QueueFullError: Every waiting place is taken.
            WaitTooLongError: No thread came free before the deadline.
            ShuttingDownError: Nothing new is taken any more.
        """
        self._check_room()
        with self._visit():
            job = await self._finished(work, self._deadline_s)
            return job.result()

    async def run_all(self, works: Sequence[Callable[[], T]]) -> list[T | Exception]:
        """Run a batch, at least one piece, and return results and exceptions in its order.

        The first piece is admitted or refused like any request, and the batch with it. The others
        rejoin the end of the queue, never more at a time than there are threads, so that a batch
        neither is cut in half by a full queue nor keeps single requests waiting for all of it.

        Raises:
            QueueFullError: As ``run``; so do WaitTooLongError and ShuttingDownError.
        """
        self._check_room()
        outcomes: dict[int, T | Exception] = {}
        rest = iter(range(1, len(works)))

        async def keep(index: int, deadline_s: float | None) -> None:
            job = await self._finished(works[index], deadline_s)
            try:
                outcomes[index] = job.result()
            except Exception as error:  # noqa: BLE001 - it stands in its place of the batch
                outcomes[index] = error

        async def lane() -> None:
            for index in rest:
                await keep(index, None)

        async def first_lane() -> None:
            await keep(0, self._deadline_s)
            await lane()

        with self._visit():
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(first_lane())
                    for _ in range(min(self.threads, len(works)) - 1):
                        group.create_task(lane())
            except* RefusalError as refused:
                refusal = refused.exceptions[0]
            else:
                return [outcomes[index] for index in range(len(works))]
        raise refusal

    def drain(self) -> None:
        """Have ``check`` refuse what is new; what passed it before is carried to its end."""
        self._draining = True

    async def close(self, patience_s: float | None = None) -> None:
        """Take nothing at all, let what was admitted finish, then end the threads.

        Args:
            patience_s: Longest wait for that, after which the threads are left to themselves, and
                what waits for one is refused; None waits for as long as it takes.
        """
        self._draining = self._closing = True
        try:
            async with asyncio.timeout(patience_s):
                await self._quiet.wait()
        except TimeoutError:
            self._pool.shutdown(wait=False, cancel_futures=True)
        else:
            self._pool.shutdown()

    async def _finished(self, work: Callable[[], T], deadline_s: float | None) -> Future[T]:
        """Have work done by a thread; returns its future when it has ended.

        Raises:
            WaitTooLongError: It was not begun before the deadline, and never will be.
            ShuttingDownError: Nor will it be, for the service ends.
        """
        loop = asyncio.get_running_loop()
        piece = Piece(work)
        future = self._submitted(piece)
        self._under_way.add(future)
        over = loop.create_future()

        def ended(future: Future[T]) -> None:
            if not future.cancelled():
                self._mean_s += 0.1 * (piece.seconds - self._mean_s)
            self._under_way.discard(future)
            self._settle()
            if not over.done():  # else the caller has gone
                over.set_result(None)

        def give_up() -> None:
            if future.cancel():
                piece.never()
                self._under_way.discard(future)

        future.add_done_callback(partial(_call_on, loop, ended))
        deadline = None if deadline_s is None else loop.call_later(deadline_s, give_up)
        try:
            await over
        except asyncio.CancelledError:
            give_up()
            raise
        finally:
            if deadline is not None:
                deadline.cancel()
        if not future.cancelled():
            return future
        if self._closing:
            raise _shutting_down()
        raise WaitTooLongError(
            "The service was too busy to read this radiograph in time. "
            "Please send it again shortly.",
            retry_after_s=self._retry_after_s(),
        )

    def _submitted(self, piece: Piece[T]) -> Future[T]:
        try:
            return self._pool.submit(piece)
        except RuntimeError:
            if self._closing:  # a batch under way when patience with it ended
                raise _shutting_down() from None
            raise

    @contextmanager
    def _visit(self) -> Iterator[None]:
        """Count a caller, so that closing waits for it even between two pieces of its batch."""
        self._visits += 1
        self._quiet.clear()
        try:
            yield
        finally:
            self._visits -= 1
            self._settle()

    def _settle(self) -> None:
        if not self._under_way and not self._visits:
            self._quiet.set()

    def _retry_after_s(self) -> int:
        """When the queue of now will have been worked off, in whole seconds."""
        expected_s = (self.waiting + 1) * self._mean_s / self.threads
        return min(LONGEST_RETRY_S, max(1, math.ceil(expected_s)))


def _call_on(
    loop: asyncio.AbstractEventLoop, ended: Callable[[Future[T]], None], future: Future[T]
) -> None:
    """Have a loop take note that a future is done; the thread that did the work calls this."""
    with suppress(RuntimeError):  # the loop was closed: its process ends, and nobody waits
        loop.call_soon_threadsafe(ended, future)


def _shutting_down() -> ShuttingDownError:
    return ShuttingDownError(
        "The service is shutting down. Please send the radiograph again shortly.",
        retry_after_s=5,
    )
