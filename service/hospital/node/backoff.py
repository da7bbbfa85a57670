"""When to try again: after a second, then twice as long each time, up to a longest wait."""

import random
import time
from collections.abc import Callable
from typing import Final

FIRST_S: Final = 1.0


class Backoff:
    """Remembers, for each key, how often it failed and when it is due again.

    Not on disk: a node that starts tries everything at once.

    Args:
        longest_s: Longest wait.
        clock: Monotonic seconds.
    """

    def __init__(self, longest_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._longest_s = longest_s
        self._clock = clock
        self._failures: dict[str, tuple[int, float]] = {}

    def is_due(self, key: str) -> bool:
        """Whether it may be tried now."""
        return self._clock() >= self._failures.get(key, (0, 0.0))[1]

    def failed(self, key: str) -> float:
        """It failed.

        Returns:
            Seconds until it is due.
        """
        count = self._failures.get(key, (0, 0.0))[0]
        wait_s = min(self._longest_s, FIRST_S * 2.0 ** min(count, 30))
        wait_s *= random.uniform(0.75, 1.0)  # noqa: S311 - so that nodes do not call in step
        self._failures[key] = (count + 1, self._clock() + wait_s)
        return wait_s

    def succeeded(self, key: str) -> None:
        """It need not be remembered any longer."""
        self._failures.pop(key, None)
