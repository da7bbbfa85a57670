"""One piece of work on its way through a queue and a thread."""

import contextvars
import time
from collections.abc import Callable
from typing import Generic, NoReturn, TypeVar

from service.observability.stages import stage

T = TypeVar("T")


class WorkerError(Exception):
    """A piece of work ended in a way that would take its thread or the event loop with it."""


class Piece(Generic[T]):
    """Work that waits for a thread from now on.

    Args:
        work: What to do, in the context of whoever makes this: the request's journal goes with it.

    Attributes:
        seconds: How long the work took; 0 before its end.
    """

    def __init__(self, work: Callable[[], T]) -> None:
        self._work: Callable[[], T] = work
        self._context = contextvars.copy_context()
        self._wait = stage("queue")
        self._wait.__enter__()
        self.seconds = 0.0

    def __call__(self) -> T:
        """Do the work; a thread calls this, once.

        Raises:
            WorkerError: The work raised what a future or an event loop takes for something else: a
                future takes no StopIteration, and whoever awaits it would wait for ever; a
                CancelledError would pass for the caller's own; others would end the process.
            Exception: The work raised it.
        """
        self._wait.__exit__(None, None, None)
        start_s = time.perf_counter()
        try:
            return self._context.run(self._work)
        except StopIteration as error:
            raise WorkerError from error
        except Exception:
            raise
        except BaseException as error:
            raise WorkerError from error
        finally:
            self.seconds = time.perf_counter() - start_s

    def never(self) -> None:
        """Say that no thread will do the work; a queue may hold this for a while all the same."""
        self._wait.__exit__(None, None, None)
        self._work = _nothing  # what it was to do holds a radiograph


def _nothing() -> NoReturn:
    raise WorkerError
