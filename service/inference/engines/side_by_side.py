"""Parts of one call on several cores, as long as no other call is at work on these."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

Part = TypeVar("Part")
Result = TypeVar("Result")


class SideBySide:
    """Computes the parts of a call side by side while cores are idle. Safe for many threads.

    A call takes the core of its own thread, and one more for each further part while there are any
    left. As many calls at once as cores therefore compute part after part, each on its own core.

    Args:
        cores: A call gets helpers only while fewer than so many are taken. One that arrives while
            another has helpers begins at once, so that for the time of a part there may be more.
    """

    def __init__(self, cores: int) -> None:
        self._cores = cores
        self._taken = 0
        self._lock = threading.Lock()
        # Its threads are started when they are first wanted.
        self._helpers = ThreadPoolExecutor(max(cores - 1, 1), thread_name_prefix="inference")

    def __call__(self, work: Callable[[Part], Result], parts: Sequence[Part]) -> list[Result]:
        """Do the work of each part, and give the results in the order of the parts.

        Raises:
            Exception: What the work of any part raised.
        """
        further = self._take(len(parts))
        own = len(parts) - further
        others: list[Future[Result]] = []
        try:
            others.extend(self._helpers.submit(work, part) for part in parts[own:])
            results = [work(part) for part in parts[:own]]
        finally:
            wait(others)  # nothing of a call that failed goes on after it
            self._give_back(1 + further)
        return results + [other.result() for other in others]

    def _take(self, parts: int) -> int:
        """Take a core for the call, and give the number of those that were left for its parts."""
        with self._lock:
            further = max(0, min(parts, self._cores - self._taken) - 1)
            self._taken += 1 + further
        return further

    def _give_back(self, cores: int) -> None:
        with self._lock:
            self._taken -= cores
