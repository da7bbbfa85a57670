"""What tests of the node share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.hospital.node.durable_queue import DurableQueue
from service.hospital.node.metrics import NodeMetrics
from service.hospital.node.uids import uid_of_file
from service.observability.metrics import Metrics


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[DurableQueue]:
    """An empty queue in a folder of its own."""
    made = DurableQueue(tmp_path / "node", uid_of=uid_of_file, size=100, min_free_bytes=0)
    yield made
    made.close()


@pytest.fixture
def metrics(queue: DurableQueue) -> NodeMetrics:
    """Metrics of that queue."""
    service = Metrics(version="1", problem_codes=["corrupt_image"], model=lambda: None)
    return NodeMetrics(service, queue)
