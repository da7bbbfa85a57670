"""Screens what waits in the queue, one image after another, and puts the results beside it."""

import asyncio
import logging
import secrets
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from pydicom import Dataset, dcmwrite

from service.errors import InternalError, OutOfMemoryError, ServiceError
from service.hospital.node.backoff import Backoff
from service.hospital.node.durable_queue import DurableQueue
from service.hospital.node.ledger import Entry
from service.hospital.node.metrics import NodeMetrics
from service.hospital.node.uids import identity_of
from service.imaging import CorruptImageError, UnsupportedFormatError
from service.inference import Bundle
from service.observability.audit import AuditLog, audit_entries
from service.observability.logs import request_fields
from service.observability.record import RequestRecord, note_problem, recording
from service.screening.explanation import Explanation, Unexplained
from service.screening.loading import ModelLoader
from service.screening.screen import Screening

log = logging.getLogger(__name__)

MakeResults = Callable[[bytes, Explanation | Unexplained, Bundle], Sequence[Dataset]]

MAX_ATTEMPTS: Final = 3
"""How often an image is tried that ends the process, or fails in a way that nobody foresaw."""

IDLE_S: Final = 1.0
NOT_READY_S: Final = 0.2

ROUTE: Final = "dicom"
"""What the audit log calls the way that an image came."""

_POISON: Final = (CorruptImageError, UnsupportedFormatError)
"""Errors of files that a person should look at. Any other refusal is an answer."""


class Screener:
    """Screens one image in each step.

    Args:
        queue: Where images wait.
        loader: Loads the model, or has loaded it.
        make_results: Makes the objects that say what was found.
        metrics: Count what becomes of each image.
        backoff: When to try an image again.
        audit: Gets each verdict before its results may leave, and each refusal.
    """

    def __init__(
        self,
        queue: DurableQueue,
        loader: ModelLoader,
        make_results: MakeResults,
        *,
        metrics: NodeMetrics,
        backoff: Backoff,
        audit: AuditLog | None = None,
    ) -> None:
        self._queue = queue
        self._loader = loader
        self._make_results = make_results
        self._metrics = metrics
        self._backoff = backoff
        self._audit = audit

    def step(self) -> float:
        """Screen the oldest image that is due; see ``Worker``."""
        try:
            screening = self._loader.screening()
        except ServiceError:
            return NOT_READY_S
        queued = self._queue.queued()
        entry = next((each for each in queued if self._backoff.is_due(each.uid)), None)
        if entry is None:
            return IDLE_S
        record = RequestRecord(secrets.token_hex(16), route=ROUTE)
        with recording(record):
            outcome = self._screen(entry, screening, record)
        self._metrics.screened(record, outcome)
        _log(entry, record, outcome)
        return 0.0

    def _screen(self, entry: Entry, screening: Screening, record: RequestRecord) -> str:
        uid = entry.uid
        attempt = self._queue.ledger.begin(uid)
        if attempt > MAX_ATTEMPTS:
            return self._quarantine(uid, entry.reason or "process_ended")
        try:
            outcome = self._screen_once(uid, screening, record)
        except ServiceError as error:
            note_problem(error.code)
            with suppress(OSError):  # logged by the log's own thread
                self._enter(record, error.status)
            outcome = self._refuse(uid, error)
        except (OSError, sqlite3.OperationalError) as error:  # the disk: not the image's fault
            log.error("Results could not be stored: %s", type(error).__name__)
            outcome = self._later(uid, counts=False)
        except Exception as error:
            # A bug, or not enough memory: neither may stop the images behind this one.
            memory = isinstance(error, MemoryError)
            code = OutOfMemoryError.code if memory else InternalError.code
            note_problem(code)
            log.exception("An image could not be screened")
            if attempt >= MAX_ATTEMPTS:
                return self._quarantine(uid, code)
            outcome = self._later(uid, counts=True)
        if outcome != "retried":
            self._backoff.succeeded(uid)
        return outcome

    def _screen_once(self, uid: str, screening: Screening, record: RequestRecord) -> str:
        try:
            data = self._queue.read(uid)
        except FileNotFoundError:
            return self._quarantine(uid, "file_missing")
        identity = identity_of(data)
        if identity is not None and identity.is_own_result:
            # Made here, and forgotten since then: to screen it would go on for ever.
            self._queue.refuse(uid, "own_result")
            return "refused"
        result = screening.explain_if_possible(data)
        if identity is None or identity.sop_instance != uid:
            return self._quarantine(uid, "wrong_identity")
        self._enter(record, 200)
        made = self._make_results(data, result, screening.ensemble.bundle)
        self._queue.put_results(
            uid, [(each.SOPInstanceUID, partial(_write, each)) for each in made]
        )
        return "screened"

    def _enter(self, record: RequestRecord, status: int) -> None:
        """Enter the verdict or the refusal in the audit log.

        Raises:
            OSError: It is not on disk.
        """
        if self._audit is not None:
            asyncio.run(self._audit.write(audit_entries(record, status, record.images)))

    def _refuse(self, uid: str, error: ServiceError) -> str:
        if error.retry_after_s is not None:
            return self._later(uid, counts=False)
        if isinstance(error, _POISON):
            return self._quarantine(uid, error.code)
        self._queue.refuse(uid, error.code)
        return "refused"

    def _quarantine(self, uid: str, reason: str) -> str:
        self._queue.quarantine(uid, reason)
        self._backoff.succeeded(uid)
        return "quarantined"

    def _later(self, uid: str, *, counts: bool) -> str:
        if not counts:
            self._queue.ledger.take_back(uid)
        self._backoff.failed(uid)
        return "retried"


def _write(dataset: Dataset, path: Path) -> None:
    dcmwrite(path, dataset, enforce_file_format=True)


def _log(entry: Entry, record: RequestRecord, outcome: str) -> None:
    """One line for each attempt: digests, our own names and durations, as for a request."""
    fields = request_fields(record)
    for name in ("method", "route", "status"):
        del fields[name]
    fields |= {"outcome": outcome, "sha256": entry.digest}
    log.info("image", extra={"fields": fields})
