"""A thread that does one step of its work after another."""

import logging
import threading
from collections.abc import Callable
from typing import Final

from service.hospital.node.durable_queue import DurableQueue

log = logging.getLogger(__name__)

AFTER_A_BUG_S: Final = 5.0


class Worker:
    """Calls ``step`` until it is stopped; a step that fails is logged and called again later.

    Args:
        name: Of the thread.
        step: Does what there is to do. Returns seconds until it wants to be called again, unless
            the queue changes before that.
        queue: Whose changes wake it; None if none do.
    """

    def __init__(
        self, name: str, step: Callable[[], float], *, queue: DurableQueue | None = None
    ) -> None:
        self._step = step
        self._queue = queue
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Have it end after its step."""
        self._stopping.set()
        if self._queue is not None:
            self._queue.notify()

    def join(self, timeout_s: float) -> bool:
        """Wait for its end.

        Returns:
            Whether it has ended.
        """
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def stopping(self) -> bool:
        """Whether it was asked to end; a long step looks here."""
        return self._stopping.is_set()

    def _run(self) -> None:
        while not self.stopping:
            seen = self._queue.changes if self._queue else 0
            try:
                pause_s = self._step()
            except Exception:
                log.exception("Unexpected error in a thread of the node; it goes on")
                self._stopping.wait(AFTER_A_BUG_S)
                continue
            if self._queue is None:
                self._stopping.wait(pause_s)
            elif not self.stopping:
                self._queue.wait(seen, pause_s)
