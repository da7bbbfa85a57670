"""The node's metrics: those of the service that apply, and its own."""

from functools import partial
from typing import Final

from service.hospital.node.durable_queue import DurableQueue
from service.hospital.node.ledger import State
from service.hospital.node.receipt import Receipt
from service.observability.metrics import Metrics
from service.observability.record import RequestRecord

OUTCOMES: Final = ("screened", "refused", "quarantined", "retried")


class NodeMetrics:
    """Counts what the node does; its queue is read when Prometheus scrapes.

    Args:
        metrics: Those of the service.
        queue: The node's queue.
    """

    def __init__(self, metrics: Metrics, queue: DurableQueue) -> None:
        self.service = metrics
        self._received = metrics.add_counter(
            "xray_dicom_received",
            "Objects offered by C-STORE, STOW-RS or a search, by what became of them.",
            "outcome",
            Receipt,
        )
        self._images = metrics.add_counter(
            "xray_dicom_images",
            "Attempts to screen an image, by how they ended.",
            "outcome",
            OUTCOMES,
        )
        self._sent = metrics.add_counter(
            "xray_dicom_results",
            "Results offered to the PACS, by whether it took them.",
            "outcome",
            ("delivered", "rejected"),
        )
        self._failures = metrics.add_counter(
            "xray_dicom_connection_failures",
            "Connections to other systems that failed.",
            "to",
            ("pacs", "poll"),
        )
        for state, name in (
            (State.QUEUED, "to_screen"),
            (State.MADE, "to_deliver"),
            (State.QUARANTINED, "in_quarantine"),
        ):
            metrics.add_gauge(
                f"xray_dicom_images_{name}",
                f"Images {name.replace('_', ' ')}.",
                partial(_count, queue, state),
            )
        metrics.add_gauge(
            "xray_dicom_oldest_seconds",
            "For how long the oldest image has waited for the end of its work.",
            queue.ledger.oldest_s,
        )

    def received(self, receipt: Receipt) -> None:
        """An object was offered."""
        self._received.labels(receipt).inc()

    def screened(self, record: RequestRecord, outcome: str) -> None:
        """An attempt to screen an image ended."""
        self._images.labels(outcome).inc()
        self.service.count_work(record)

    def results(self, *, delivered: int, rejected: int) -> None:
        """Results were offered to the PACS."""
        self._sent.labels("delivered").inc(delivered)
        self._sent.labels("rejected").inc(rejected)

    def unreachable(self, whom: str) -> None:
        """There was no connection."""
        self._failures.labels(whom).inc()


def _count(queue: DurableQueue, state: State) -> float:
    return queue.ledger.counts()[state]
