"""Asks a DICOMweb service for new studies and fetches their images into the queue."""

import logging
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any, Final

from service.hospital.node.backoff import Backoff
from service.hospital.node.dicomweb import DicomWeb, WebError, value_of
from service.hospital.node.durable_queue import DurableQueue
from service.hospital.node.metrics import NodeMetrics
from service.hospital.node.scp import SOP_CLASSES
from service.hospital.node.uids import identity_of
from service.hospital.results.uids import is_uid

log = logging.getLogger(__name__)

SOP_CLASS: Final = "00080016"
SOP_INSTANCE: Final = "00080018"
STUDY: Final = "0020000D"
SERIES: Final = "0020000E"
INSTANCES_OF_STUDY: Final = "00201208"


class Poller:
    """Looks for new images in each step.

    A study is looked into again only when its number of instances has changed. What the queue
    knows is not fetched; it knows what was made here, too.

    Args:
        service: Is asked.
        queue: Takes what is found.
        modalities: Of the studies that are asked for.
        days: How many days back their dates may lie.
        max_bytes: Largest file.
        metrics: Count what is found.
        backoff: When to ask again after a failure.
        every_s: Time between two questions.
        today: The date here.
        stopping: Whether to end early.
    """

    def __init__(
        self,
        service: DicomWeb,
        queue: DurableQueue,
        *,
        modalities: Sequence[str],
        days: int,
        max_bytes: int,
        metrics: NodeMetrics,
        backoff: Backoff,
        every_s: float,
        today: Callable[[], date] = date.today,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._service = service
        self._queue = queue
        self._modalities = tuple(modalities)
        self._days = days
        self._max_bytes = max_bytes
        self._metrics = metrics
        self._backoff = backoff
        self._every_s = every_s
        self._today = today
        self._stopping = stopping
        self._seen: dict[str, str] = {}

    def step(self) -> float:
        """Ask once; see ``Worker``."""
        try:
            self._poll()
        except WebError as error:
            self._metrics.unreachable("poll")
            wait_s = max(self._every_s, self._backoff.failed("poll"))
            log.warning(
                "The search for new studies failed (%s): again in %.0f s", error.code, wait_s
            )
            return wait_s
        self._backoff.succeeded("poll")
        return self._every_s

    def _poll(self) -> None:
        seen: dict[str, str] = {}
        since = self._today() - timedelta(days=self._days)
        for modality in self._modalities:
            query = {
                "ModalitiesInStudy": modality,
                "StudyDate": f"{since:%Y%m%d}-",
                "includefield": INSTANCES_OF_STUDY,
            }
            for match in self._service.search("studies", query):
                study, count = value_of(match, STUDY), value_of(match, INSTANCES_OF_STUDY)
                if not is_uid(study) or study in seen:
                    continue
                known = count and self._seen.get(study) == count
                if known or self._look_into(study):
                    seen[study] = count
        self._seen = seen

    def _look_into(self, study: str) -> bool:
        """Fetch what is new in a study; whether all of it is here."""
        complete = True
        for match in self._service.search(f"studies/{study}/instances", {}):
            if self._stopping():
                return False
            if value_of(match, SOP_CLASS) in SOP_CLASSES:
                complete = self._has(study, match) and complete
        return complete

    def _has(self, study: str, match: dict[str, Any]) -> bool:
        series, uid = value_of(match, SERIES), value_of(match, SOP_INSTANCE)
        if not is_uid(series) or not is_uid(uid) or self._queue.knows(uid):
            return True
        if not self._backoff.is_due(uid):
            return False
        try:
            data = self._service.retrieve(study, series, uid, max_bytes=self._max_bytes)
            identity = identity_of(data)
            if identity is None or identity.sop_instance != uid:
                raise WebError("another_object", about_object=True)
        except WebError as error:
            if not error.about_object:
                raise
            # One image that does not come holds up no others.
            self._metrics.unreachable("poll")
            wait_s = self._backoff.failed(uid)
            log.warning("An image could not be fetched (%s): again in %.0f s", error.code, wait_s)
            return False
        self._backoff.succeeded(uid)
        receipt = self._queue.accept(uid, data)
        self._metrics.received(receipt)
        if not receipt.accepted:
            raise WebError(receipt)
        return True
