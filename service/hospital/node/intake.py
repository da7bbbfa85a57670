"""Takes objects in, whichever way they came."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from service.errors import UploadsFullError
from service.hospital.node.durable_queue import DurableQueue
from service.hospital.node.metrics import NodeMetrics
from service.hospital.node.receipt import Receipt
from service.hospital.node.scp import OUT_OF_RESOURCES, SOP_CLASSES
from service.hospital.node.uids import identity_of

NOT_UNDERSTOOD = 0xC000
SOP_CLASS_NOT_SUPPORTED = 0x0122
ANOTHER_STUDY = 0xA900


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a file.

    Attributes:
        sop_class: Its SOP Class UID; empty if it does not say.
        sop_instance: Its SOP Instance UID; empty if it does not say.
        reason: Why it was not taken in, as DICOM's status codes say it (PS3.4 B.2.3); 0 if it was.
    """

    sop_class: str
    sop_instance: str
    reason: int

    @property
    def accepted(self) -> bool:
        """Whether its sender may forget it."""
        return self.reason == 0

    @property
    def is_for_lack_of_room(self) -> bool:
        """Whether it may be taken in later."""
        return self.reason == OUT_OF_RESOURCES


class Intake:
    """Puts objects into the queue.

    Args:
        queue: Takes them.
        metrics: Count them.
        max_bytes: Largest file.
        max_uploads: Most uploads over HTTP at once; each may hold a file in memory.
        upload_seconds: How long an upload over HTTP may take beside the time for its bytes.
        bytes_per_second: Its slowest speed.
    """

    def __init__(
        self,
        queue: DurableQueue,
        metrics: NodeMetrics,
        *,
        max_bytes: int,
        max_uploads: int,
        upload_seconds: float,
        bytes_per_second: int,
    ) -> None:
        self._queue = queue
        self._metrics = metrics
        self._free_uploads = threading.Semaphore(max_uploads)
        self.max_bytes = max_bytes
        self.upload_seconds = upload_seconds
        self.bytes_per_second = bytes_per_second

    @contextmanager
    def upload(self) -> Iterator[None]:
        """Hold the place of one upload over HTTP.

        Raises:
            UploadsFullError: There is none left.
        """
        if not self._free_uploads.acquire(blocking=False):
            raise UploadsFullError("Too many uploads at once. Please try again in a few seconds.")
        try:
            yield
        finally:
            self._free_uploads.release()

    def take(self, uid: str, data: bytes) -> Receipt:
        """Take an object in whose kind was agreed upon; blocks until it is on disk."""
        receipt = self._queue.accept(uid, data)
        self._metrics.received(receipt)
        return receipt

    def take_file(self, data: bytes, study: str | None) -> Taken:
        """Take in a file of whatever kind; blocks until it is on disk.

        Args:
            data: The file.
            study: The study that it must be of, if any.
        """
        identity = identity_of(data)
        if identity is None:
            return Taken("", "", NOT_UNDERSTOOD)
        sop_class, uid = identity.sop_class, identity.sop_instance
        if sop_class not in SOP_CLASSES:
            return Taken(sop_class, uid, SOP_CLASS_NOT_SUPPORTED)
        if study is not None and identity.study != study:
            return Taken(sop_class, uid, ANOTHER_STUDY)
        receipt = self.take(uid, data)
        return Taken(sop_class, uid, 0 if receipt.accepted else OUT_OF_RESOURCES)
