"""The parts of the node, put together by its settings."""

import logging
import time
from collections.abc import Callable
from typing import Final

from service.hospital.node.backoff import Backoff
from service.hospital.node.delivery import Destination
from service.hospital.node.dicomweb import Access, DicomWeb, WebDestination
from service.hospital.node.dimse import Address, DimseDestination
from service.hospital.node.durable_queue import DurableQueue
from service.hospital.node.intake import Intake
from service.hospital.node.metrics import NodeMetrics
from service.hospital.node.poller import Poller
from service.hospital.node.scp import Peer, StoreScp
from service.hospital.node.screener import MakeResults, Screener
from service.hospital.node.sender import Sender
from service.hospital.node.settings import NodeSettings, split_peer
from service.hospital.node.tls import TlsFiles
from service.hospital.node.uids import uid_of_file
from service.hospital.node.worker import Worker
from service.observability.audit import AuditLog
from service.observability.metrics import Metrics
from service.screening.loading import ModelLoader
from service.settings import MIB

log = logging.getLogger(__name__)

DAY_S: Final = 24 * 3600
HOUSEKEEPING_S: Final = 3600.0


class Node:
    """Receives, screens and delivers.

    Args:
        settings: Every setting; ``dicom_send_to`` is set.
        loader: Loads the model, or has loaded it.
        make_results: Makes the objects that say what was found.
        metrics: Those of the service.
        audit: Gets verdicts and refusals.

    Raises:
        QueueError: The folder of the queue cannot be used.
        TlsError: Certificates or a key cannot be used.
        OSError: The port of the SCP cannot be used.
    """

    def __init__(
        self,
        settings: NodeSettings,
        loader: ModelLoader,
        make_results: MakeResults,
        metrics: Metrics,
        audit: AuditLog | None = None,
    ) -> None:
        self._settings = settings
        self.stopping = False
        self._services: list[DicomWeb] = []
        self._workers: list[Worker] = []
        tls = tls_files(settings)
        destination = self._destination()
        self.queue = DurableQueue(
            settings.dicom_dir,
            uid_of=uid_of_file,
            size=settings.dicom_queue_size,
            min_free_bytes=settings.dicom_min_free_mib * MIB,
        )
        counted = NodeMetrics(metrics, self.queue)
        self.intake = Intake(
            self.queue,
            counted,
            max_bytes=settings.max_upload_mib * MIB,
            max_uploads=settings.dicom_associations,
            upload_seconds=settings.upload_seconds,
            bytes_per_second=settings.upload_bytes_per_second,
        )
        self.scp = StoreScp(
            self.intake.take,
            host=settings.host,
            port=settings.dicom_port,
            ae_title=settings.dicom_ae_title,
            peers=[Peer(*split_peer(peer)) for peer in settings.dicom_peers],
            associations=settings.dicom_associations,
            max_bytes=settings.max_upload_mib * MIB,
            tls=tls,
        )
        screener = Screener(
            self.queue,
            loader,
            make_results,
            metrics=counted,
            backoff=self._backoff(),
            audit=audit,
        )
        sender = Sender(self.queue, destination, metrics=counted, backoff=self._backoff())
        self._add("screener", screener.step, wakes=True)
        self._add("sender", sender.step, wakes=True)
        self._add("housekeeping", self._keep_house)
        if settings.dicom_poll:
            poller = Poller(
                self._web(settings.dicom_poll),
                self.queue,
                modalities=settings.dicom_poll_modalities,
                days=settings.dicom_poll_days,
                max_bytes=settings.max_upload_mib * MIB,
                metrics=counted,
                backoff=self._backoff(),
                every_s=settings.dicom_poll_seconds,
                stopping=lambda: self.stopping,
            )
            self._add("poller", poller.step)

    def start(self) -> None:
        """Begin to receive and to work."""
        self.scp.start()
        for worker in self._workers:
            worker.start()
        log.info(
            "Receiving as %s on port %d%s",
            self._settings.dicom_ae_title,
            self.scp.port,
            " (TLS)" if self._settings.dicom_tls_cert else "",
        )

    def stop(self, *, grace_s: float) -> bool:
        """Stop to receive, finish what is being done, and keep the queue for the next start.

        Returns:
            Whether all threads have ended.
        """
        self.stopping = True
        log.info("Shutting down: the queue stays on the disk")
        end = time.monotonic() + grace_s
        for worker in self._workers:
            worker.stop()
        self.scp.stop(grace_s=grace_s)
        ended = [worker.join(max(0.0, end - time.monotonic())) for worker in self._workers]
        if not all(ended):
            return False
        for service in self._services:
            service.close()
        self.queue.close()
        return True

    def _keep_house(self) -> float:
        self.queue.forget(older_than_s=self._settings.dicom_ledger_days * DAY_S)
        return HOUSEKEEPING_S

    def _add(self, name: str, step: Callable[[], float], *, wakes: bool = False) -> None:
        self._workers.append(Worker(name, step, queue=self.queue if wakes else None))

    def _backoff(self) -> Backoff:
        return Backoff(self._settings.dicom_retry_seconds)

    def _destination(self) -> Destination:
        where = self._settings.dicom_send_to or ""
        if where.startswith("http"):
            return WebDestination(self._web(where))
        title, tls = self._settings.dicom_ae_title, tls_files(self._settings)
        return DimseDestination(Address.parse(where), ae_title=title, tls=tls)

    def _web(self, root: str) -> DicomWeb:
        service = web_service(self._settings, root)
        self._services.append(service)
        return service


def tls_files(settings: NodeSettings) -> TlsFiles:
    """The certificates of the settings."""
    return TlsFiles(settings.dicom_tls_cert, settings.dicom_tls_key, settings.dicom_tls_ca)


def web_service(settings: NodeSettings, root: str) -> DicomWeb:
    """A DICOMweb service, by the credentials of the settings.

    Raises:
        TlsError: Certificates or a key cannot be used.
    """
    password, token = settings.dicom_web_password, settings.dicom_web_token
    access = Access(
        user=settings.dicom_web_user,
        password=password.get_secret_value() if password else None,
        token=token.get_secret_value() if token else None,
    )
    return DicomWeb(root, access=access, context=tls_files(settings).for_sending())
