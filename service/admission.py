"""The way to the inference threads: a bounded queue, a deadline on the wait, and a clean end.

As many pieces of work run as there are threads; a bounded number waits, first come, first served;
the rest is refused at once, because an early "try again" serves a ward better than an answer that
comes when nobody waits for it any more. Everything but the work itself happens on the event loop.
"""

import asyncio
import contextvars
import math
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from service.refusals import QueueFullError, ShuttingDownError, WaitTooLongError
from service.stages import stage

T = TypeVar("T")

LONGEST_RETRY_S = 60
LONGEST_START_S = 10.0


class WorkerError(Exception):
    """A piece of work ended in a way that would take its thread or the event loop with it."""


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
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="screening")
        self._queue: deque[asyncio.Future[None]] = deque()
        self._running = 0
        self._visits = 0  # calls of run() and run_all() that were let in and have not returned
        self._mean_s = 0.1  # moving average of what one piece of work takes
        self._draining = False
        self._closing = False
        self._quiet = asyncio.Event()
        self._quiet.set()

    @property
    def running(self) -> int:
        """Pieces of work in a thread now, those included whose client has gone."""
        return self._running

    @property
    def waiting(self) -> int:
        """Pieces of work in the queue now."""
        return len(self._queue)

    @property
    def draining(self) -> bool:
        """Whether nothing new is taken any more."""
        return self._draining

    def start_threads(self) -> None:
        """Start every thread now, so that a limit on threads is met here and not by a patient.

        Raises:
            RuntimeError: The system gives no more threads.
        """
        met = threading.Barrier(self.threads + 1)
        for _ in range(self.threads):
            self._pool.submit(met.wait, LONGEST_START_S)
        met.wait(LONGEST_START_S)

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
        if self._running >= self.threads and len(self._queue) >= self.places:
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
            await self._turn(self._deadline_s)
            return await _result(self._launch(work))

    async def run_all(self, works: Sequence[Callable[[], T]]) -> list[T | Exception]:
        """Run a batch, at least one piece, and return results and exceptions in its order.

        The first piece is admitted or refused like any request, and the batch with it. The others
        rejoin the end of the queue, never more at a time than there are threads, so that a batch
        neither is cut in half by a full queue nor keeps single requests waiting for all of it.

        Raises:
            QueueFullError: As ``run``; so do WaitTooLongError and ShuttingDownError.
        """
        self._check_room()
        with self._visit():
            await self._turn(self._deadline_s)
            first = self._launch(works[0])
            outcomes: dict[int, T | Exception] = {}
            rest = iter(range(1, len(works)))

            async def keep(index: int, job: asyncio.Future[T]) -> None:
                try:
                    result = await _result(job)
                except Exception as error:  # noqa: BLE001 - it stands in its place of the batch
                    outcomes[index] = error
                else:
                    outcomes[index] = result

            async def lane(job: asyncio.Future[T] | None) -> None:
                if job is not None:
                    await keep(0, job)
                for index in rest:
                    await self._turn(None)
                    await keep(index, self._launch(works[index]))

            async with asyncio.TaskGroup() as group:
                group.create_task(lane(first))
                for _ in range(min(self.threads, len(works)) - 1):
                    group.create_task(lane(None))
            return [outcomes[index] for index in range(len(works))]

    def drain(self) -> None:
        """Have ``check`` refuse what is new; what passed it before is carried to its end."""
        self._draining = True

    async def close(self, patience_s: float | None = None) -> None:
        """Take nothing at all, let what was admitted finish, then end the threads.

        Args:
            patience_s: Longest wait for that, after which the threads are left to themselves;
                None waits for as long as it takes.
        """
        self._draining = self._closing = True
        try:
            async with asyncio.timeout(patience_s):
                await self._quiet.wait()
        except TimeoutError:
            self._pool.shutdown(wait=False, cancel_futures=True)
        else:
            self._pool.shutdown()

    async def _turn(self, deadline_s: float | None) -> None:
        """Take a thread's slot, in order of arrival. Whoever returns from here must launch."""
        with stage("queue"):
            await self._slot(deadline_s)

    async def _slot(self, deadline_s: float | None) -> None:
        if self._running < self.threads and not self._queue:
            self._running += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            async with asyncio.timeout(deadline_s):
                await turn
        except BaseException as error:
            if turn in self._queue:
                self._queue.remove(turn)
            elif not turn.cancelled():  # the slot came in the very moment in which the wait ended
                self._give_up_slot()
            if isinstance(error, TimeoutError):
                raise WaitTooLongError(
                    "The service was too busy to read this radiograph in time. "
                    "Please send it again shortly.",
                    retry_after_s=self._retry_after_s(),
                ) from None
            raise

    def _launch(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Start work on the slot that was taken; the slot is given up when the work ends."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            context = contextvars.copy_context()  # takes the request's journal into the thread
            job = loop.run_in_executor(self._pool, context.run, _contained, work)
        except BaseException:
            self._give_up_slot()
            raise

        def ended(done: asyncio.Future[T]) -> None:
            done.exception()  # retrieved here, for the caller may have gone
            self._mean_s += 0.1 * (loop.time() - started - self._mean_s)
            self._give_up_slot()

        job.add_done_callback(ended)
        return job

    def _give_up_slot(self) -> None:
        """Hand the slot to whoever has waited longest and still waits."""
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._running -= 1
        self._settle()

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
        if not self._running and not self._visits:
            self._quiet.set()

    def _retry_after_s(self) -> int:
        """When the queue of now will have been worked off, in whole seconds."""
        expected_s = (len(self._queue) + 1) * self._mean_s / self.threads
        return min(LONGEST_RETRY_S, max(1, math.ceil(expected_s)))


def _contained(work: Callable[[], T]) -> T:
    """Run work so that nothing it raises can end or mislead the event loop that awaits it.

    A future takes no StopIteration, and whoever awaits it would wait for ever; a CancelledError
    would pass for the caller's own.
    """
    try:
        return work()
    except StopIteration as error:
        raise WorkerError from error
    except Exception:
        raise
    except BaseException as error:
        raise WorkerError from error


def _shutting_down() -> ShuttingDownError:
    return ShuttingDownError(
        "The service is shutting down. Please send the radiograph again shortly.",
        retry_after_s=5,
    )


async def _result(job: asyncio.Future[T]) -> T:
    """Await a job without cancelling it when the caller is cancelled."""
    await asyncio.wait([job])
    return job.result()
