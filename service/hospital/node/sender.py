"""Delivers results, for as long as it takes."""

import logging
from typing import Final

from service.hospital.node.backoff import Backoff
from service.hospital.node.delivery import Destination, UnreachableError
from service.hospital.node.durable_queue import DurableQueue, Parcel
from service.hospital.node.metrics import NodeMetrics

log = logging.getLogger(__name__)

IDLE_S: Final = 1.0
DESTINATION: Final = "destination"
BATCH: Final = 10
"""Images whose results are delivered in one step."""


class Sender:
    """Delivers some of what waits in each step.

    While the destination cannot be reached, nothing is tried but the oldest delivery. Results that
    it rejects are tried again by themselves, and hold up no others.

    Args:
        queue: Where results wait.
        destination: Where they go.
        metrics: Count what becomes of them.
        backoff: When to try again.
    """

    def __init__(
        self,
        queue: DurableQueue,
        destination: Destination,
        *,
        metrics: NodeMetrics,
        backoff: Backoff,
    ) -> None:
        self._queue = queue
        self._destination = destination
        self._metrics = metrics
        self._backoff = backoff

    def step(self) -> float:
        """Deliver what is due; see ``Worker``."""
        done = 0
        for parcel in self._queue.parcels():
            if not self._backoff.is_due(DESTINATION):
                break
            if self._backoff.is_due(parcel.uid):
                self._deliver(parcel)
                done += 1
            if done == BATCH:
                return 0.0
        return IDLE_S

    def _deliver(self, parcel: Parcel) -> None:
        if not all(path.exists() for path in parcel.files.values()):
            log.error("Results are missing on the disk: their image is screened again")
            self._queue.screen_again(parcel.uid)
            return
        try:
            outcome = self._destination.send(parcel.files)
        except UnreachableError as error:
            self._metrics.unreachable("pacs")
            wait_s = self._backoff.failed(DESTINATION)
            log.warning("The PACS cannot be reached (%s): again in %.0f s", error.code, wait_s)
            return
        self._backoff.succeeded(DESTINATION)
        self._metrics.results(delivered=len(outcome.delivered), rejected=len(outcome.rejected))
        if self._queue.delivered(parcel.uid, outcome.delivered):
            self._backoff.succeeded(parcel.uid)
        if outcome.rejected:
            wait_s = self._backoff.failed(parcel.uid)
            reasons = ", ".join(sorted(set(outcome.rejected.values())))
            log.warning("The PACS rejected results (%s): again in %.0f s", reasons, wait_s)
