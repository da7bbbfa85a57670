import io
import shutil
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    UID,
    BasicTextSRStorage,
    EncapsulatedPDFStorage,
    ExplicitVRLittleEndian,
    SegmentationStorage,
)

from service.hospital.node.backoff import Backoff
from service.hospital.node.delivery import Outcome, UnreachableError
from service.hospital.node.dimse import Address, DimseDestination
from service.hospital.node.durable_queue import DurableQueue
from service.hospital.node.ledger import State
from service.hospital.node.metrics import NodeMetrics
from service.hospital.node.sender import Sender
from service.hospital.node.tls import TlsFiles
from tests.hospital.node.objects import film, film_uid
from tests.hospital.node.peers import PACS, FakePacs
from tests.hospital.node.reading import value

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def write_result(uid: str, sop_class: str, path: Path) -> None:
    made = Dataset()
    made.file_meta = meta = FileMetaDataset()
    made.SOPClassUID = meta.MediaStorageSOPClassUID = UID(sop_class)
    made.SOPInstanceUID = meta.MediaStorageSOPInstanceUID = UID(uid)
    made.PatientName = "Planted^Patient"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    buffer = io.BytesIO()
    dcmwrite(buffer, made, enforce_file_format=True)
    path.write_bytes(buffer.getvalue())


def put(queue: DurableQueue, number: int, *sop_classes: str) -> list[str]:
    """Queue a film whose results are made; their UIDs."""
    uid = film_uid(number)
    queue.accept(uid, film(number))
    uids = [f"{uid[:50]}.{place}" for place in range(1, len(sop_classes) + 1)]
    kinds = zip(uids, sop_classes, strict=True)
    queue.put_results(uid, [(each, partial(write_result, each, kind)) for each, kind in kinds])
    return uids


def sender(
    queue: DurableQueue, pacs: FakePacs, metrics: NodeMetrics, clock: Clock | None = None
) -> Sender:
    destination = DimseDestination(Address.parse(pacs.address), ae_title="NODE", tls=TlsFiles())
    backoff = Backoff(600, clock or time.monotonic)
    return Sender(queue, destination, metrics=metrics, backoff=backoff)


def test_results_arrive_in_their_order_and_the_image_is_done(
    queue: DurableQueue, metrics: NodeMetrics
) -> None:
    pacs = FakePacs(BasicTextSRStorage, EncapsulatedPDFStorage)
    uids = [
        uid
        for number in (1, 2)
        for uid in put(queue, number, BasicTextSRStorage, EncapsulatedPDFStorage)
    ]
    with pacs.running():
        sender(queue, pacs, metrics).step()
    assert pacs.uids == uids
    assert pacs.calling[0] == "NODE"
    assert pacs.received[0].PatientName == "Planted^Patient"
    assert queue.ledger.counts()[State.SENT] == 2
    assert value(metrics, "xray_dicom_results_total", outcome="delivered") == 4


def test_a_warning_is_success(queue: DurableQueue, metrics: NodeMetrics) -> None:
    pacs = FakePacs(BasicTextSRStorage)
    pacs.status = 0xB000
    put(queue, 1, BasicTextSRStorage)
    with pacs.running():
        sender(queue, pacs, metrics).step()
    assert queue.ledger.counts()[State.SENT] == 1


def test_while_the_pacs_is_away_results_wait_and_the_waits_grow(
    queue: DurableQueue, metrics: NodeMetrics, caplog: pytest.LogCaptureFixture
) -> None:
    pacs, clock = FakePacs(BasicTextSRStorage), Clock()
    with pacs.running():
        pass
    put(queue, 1, BasicTextSRStorage)
    put(queue, 2, BasicTextSRStorage)
    sends = sender(queue, pacs, metrics, clock)
    for failures, wait_s in ((1, 1), (2, 2), (3, 4)):
        sends.step()
        sends.step()  # too early
        assert value(metrics, "xray_dicom_connection_failures_total", to="pacs") == failures
        clock.now += wait_s
    with pacs.running():
        sends.step()
    assert len(pacs.received) == 2
    assert "cannot be reached (no_connection)" in caplog.text
    assert "Planted" not in caplog.text
    assert film_uid(1) not in caplog.text


def test_a_pacs_that_does_not_know_us_is_tried_again(
    queue: DurableQueue, metrics: NodeMetrics, caplog: pytest.LogCaptureFixture
) -> None:
    pacs = FakePacs(BasicTextSRStorage)
    put(queue, 1, BasicTextSRStorage)
    with pacs.running():
        wrong = Address.parse(pacs.address.replace(PACS, "OTHER"))
        destination = DimseDestination(wrong, ae_title="NODE", tls=TlsFiles())
        Sender(queue, destination, metrics=metrics, backoff=Backoff(600)).step()
    assert "cannot be reached (association_rejected)" in caplog.text
    assert queue.ledger.counts()[State.MADE] == 1


def test_what_is_rejected_is_tried_again_alone_and_holds_up_nothing(
    queue: DurableQueue, metrics: NodeMetrics
) -> None:
    pacs, clock = FakePacs(BasicTextSRStorage), Clock()
    report, segmentation = put(queue, 1, BasicTextSRStorage, SegmentationStorage)
    [other] = put(queue, 2, BasicTextSRStorage)
    sends = sender(queue, pacs, metrics, clock)
    with pacs.running():
        sends.step()
    assert pacs.uids == [report, other]
    assert value(metrics, "xray_dicom_results_total", outcome="rejected") == 1
    [parcel] = queue.parcels()
    assert list(parcel.files) == [segmentation]
    taught = FakePacs(SegmentationStorage)
    with taught.running():
        clock.now += 1
        sender(queue, taught, metrics, clock).step()
    assert taught.uids == [segmentation]
    assert queue.ledger.counts()[State.SENT] == 2


def test_a_failure_status_is_no_success(queue: DurableQueue, metrics: NodeMetrics) -> None:
    pacs, clock = FakePacs(BasicTextSRStorage), Clock()
    pacs.status = 0xA700
    put(queue, 1, BasicTextSRStorage)
    sends = sender(queue, pacs, metrics, clock)
    with pacs.running():
        sends.step()
        assert queue.ledger.counts()[State.MADE] == 1
        pacs.status = 0
        clock.now += 1
        sends.step()
    assert len(pacs.received) == 1


class Broken:
    """A destination in whose way something comes once."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.broken = True

    def send(self, files: Mapping[str, Path]) -> Outcome:
        first, *_ = files
        if self.broken:
            self.broken = False
            self.sent.append(first)
            raise UnreachableError("cut")
        self.sent += files
        return Outcome(delivered=tuple(files))


def test_a_connection_that_breaks_loses_nothing(queue: DurableQueue, metrics: NodeMetrics) -> None:
    clock, destination = Clock(), Broken()
    uids = put(queue, 1, BasicTextSRStorage, SegmentationStorage)
    sends = Sender(queue, destination, metrics=metrics, backoff=Backoff(600, clock))
    sends.step()
    assert queue.ledger.counts()[State.MADE] == 1
    clock.now += 1
    sends.step()
    assert destination.sent == [uids[0], *uids]
    assert queue.ledger.counts()[State.SENT] == 1


def test_results_that_are_missing_on_the_disk_are_made_anew(
    queue: DurableQueue, metrics: NodeMetrics, tmp_path: Path
) -> None:
    put(queue, 1, BasicTextSRStorage)
    [folder] = (tmp_path / "node/outbox").iterdir()
    shutil.rmtree(folder)
    Sender(queue, Broken(), metrics=metrics, backoff=Backoff(600)).step()
    assert [entry.uid for entry in queue.queued()] == [film_uid(1)]


def test_waits_double_up_to_the_longest() -> None:
    clock = Clock()
    backoff = Backoff(60, clock)
    waits = []
    for _ in range(12):
        waits.append(backoff.failed("a"))
        assert not backoff.is_due("a")
        assert backoff.is_due("b")
        clock.now += waits[-1]
        assert backoff.is_due("a")
    for wait, ideal in zip(waits[:4], [1, 2, 4, 8], strict=True):
        assert 0.75 * ideal <= wait <= ideal
    assert all(wait <= 60 for wait in waits)
    backoff.succeeded("a")
    assert backoff.failed("a") <= 1
