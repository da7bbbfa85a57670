"""A job: work that waits in a queue and then runs in a worker thread."""

import contextvars
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from service.observability.record import note_stage

T = TypeVar("T")


class WorkerError(Exception):
    """A job raised something that would have ended its thread or confused the event loop."""


class Job(Generic[T]):
    """Work for a worker thread. It counts as queued as soon as it is created.

    Args:
        work: Runs in the context in which the job was created, and so is recorded with its request.

    Attributes:
        queued_s: When the job was created, by ``time.perf_counter``.
        seconds: How long the work took; 0 until it ends.
    """

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._context = contextvars.copy_context()
        self.queued_s = time.perf_counter()
        self.seconds = 0.0

    def __call__(self) -> T:
        """Run the work, once.

        Raises:
            WorkerError: The work raised StopIteration, which a future cannot hold, or a
                BaseException: CancelledError would pass for the caller's own, and SystemExit or
                KeyboardInterrupt would end the process.
            Exception: The work raised it.
        """
        return self._context.run(self._run)

    def _run(self) -> T:
        note_stage("queue", self.queued_s)
        start_s = time.perf_counter()
        try:
            return self._work()
        except StopIteration as error:
            raise WorkerError from error
        except Exception:
            raise
        except BaseException as error:
            raise WorkerError from error
        finally:
            self.seconds = time.perf_counter() - start_s
