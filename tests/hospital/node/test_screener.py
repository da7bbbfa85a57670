import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.uid import UID

from service.errors import NotAChestRadiographError, QueueFullError, ServiceError
from service.hospital.node.backoff import Backoff
from service.hospital.node.durable_queue import DurableQueue
from service.hospital.node.ledger import State
from service.hospital.node.metrics import NodeMetrics
from service.hospital.node.screener import MAX_ATTEMPTS, Screener
from service.imaging import CorruptImageError
from service.inference import Bundle
from service.observability.audit import AuditLog
from service.screening.explanation import Explanation, Unexplained
from service.screening.loading import ModelLoader
from tests.fake_engine import fake_ensemble
from tests.hospital.node.objects import dataset_of, film, film_uid
from tests.hospital.node.peers import wait_for
from tests.hospital.node.reading import value

MakesResults = Callable[[bytes, Explanation | Unexplained, Bundle], Sequence[Dataset]]


def results(source: bytes, _: Explanation | Unexplained, __: Bundle) -> list[Dataset]:
    """One object, with a UID made of the source's."""
    made = dataset_of(source)
    uid = UID(f"{made.SOPInstanceUID[:60]}.9")
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = uid
    return [made]


@pytest.fixture(scope="module")
def loader() -> ModelLoader:
    made = ModelLoader(lambda: fake_ensemble(lungs=True), max_pixels=1_000_000)
    made.start()
    wait_for(lambda: is_ready(made))
    return made


def is_ready(loader: ModelLoader) -> bool:
    try:
        loader.screening()
    except ServiceError:
        return False
    return True


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def screener(
    queue: DurableQueue,
    loader: ModelLoader,
    metrics: NodeMetrics,
    make: MakesResults = results,
    clock: Clock | None = None,
    audit: AuditLog | None = None,
) -> Screener:
    backoff = Backoff(600, clock or Clock())
    return Screener(queue, loader, make, metrics=metrics, backoff=backoff, audit=audit)


def raising(error: BaseException) -> MakesResults:
    def make(*_: object) -> Sequence[Dataset]:
        raise error

    return make


def reasons(folder: Path) -> list[str]:
    notes = (folder / "node/quarantine").glob("*.json")
    return [json.loads(note.read_text())["reason"] for note in notes]


def test_an_image_is_screened_and_its_results_wait(
    queue: DurableQueue, loader: ModelLoader, metrics: NodeMetrics
) -> None:
    queue.accept(film_uid(1), film(1))
    assert screener(queue, loader, metrics).step() == 0
    [parcel] = queue.parcels()
    assert parcel.uid == film_uid(1)
    [path] = parcel.files.values()
    assert path.read_bytes()[128:132] == b"DICM"
    assert value(metrics, "xray_dicom_images_total", outcome="screened") == 1
    assert value(metrics, "xray_dicom_images_to_deliver") == 1
    assert value(metrics, "xray_stage_seconds_count", stage="inference") == 1


def test_without_a_model_everything_waits(queue: DurableQueue, metrics: NodeMetrics) -> None:
    queue.accept(film_uid(1), film(1))
    unloaded = ModelLoader(fake_ensemble, max_pixels=1_000_000)
    assert screener(queue, unloaded, metrics).step() > 0
    [entry] = queue.queued()
    assert entry.attempts == 0


def test_what_is_no_chest_film_is_recorded_and_sends_nothing(
    queue: DurableQueue, loader: ModelLoader, metrics: NodeMetrics
) -> None:
    flat = np.tile(np.arange(256, dtype=np.uint8), (256, 1))
    queue.accept(film_uid(1), film(1, Rows=256, Columns=256, PixelData=flat.tobytes()))
    screener(queue, loader, metrics).step()
    entry = queue.ledger.find(film_uid(1))
    assert entry is not None
    assert (entry.state, entry.reason) == (State.REFUSED, NotAChestRadiographError.code)
    assert not list(queue.parcels())
    assert value(metrics, "xray_dicom_images_total", outcome="refused") == 1


def test_what_cannot_be_decoded_is_set_aside_with_its_reason(
    queue: DurableQueue, loader: ModelLoader, metrics: NodeMetrics, tmp_path: Path
) -> None:
    queue.accept(film_uid(1), film(1)[:-2000])
    screener(queue, loader, metrics).step()
    assert reasons(tmp_path) == [CorruptImageError.code]
    assert value(metrics, "xray_dicom_images_in_quarantine") == 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [(ValueError("Planted^Patient"), "internal_error"), (MemoryError(), "out_of_memory")],
)
def test_what_fails_again_and_again_is_set_aside_and_its_text_is_not_logged(
    error: Exception,
    reason: str,
    queue: DurableQueue,
    loader: ModelLoader,
    metrics: NodeMetrics,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    queue.accept(film_uid(1), film(1))
    tries = screener(queue, loader, metrics, raising(error), clock)
    for attempt in range(MAX_ATTEMPTS):
        assert reasons(tmp_path) == []
        tries.step()
        assert tries.step() > 0, attempt  # it is not due yet
        clock.now += 10
    assert reasons(tmp_path) == [reason]
    assert value(metrics, "xray_dicom_images_total", outcome="retried") == MAX_ATTEMPTS - 1
    for record in caplog.records:
        assert "Planted" not in record.getMessage()


def test_an_image_that_is_tried_again_holds_up_no_other(
    queue: DurableQueue, loader: ModelLoader, metrics: NodeMetrics
) -> None:
    def make(source: bytes, *rest: object) -> Sequence[Dataset]:
        if dataset_of(source).SOPInstanceUID == film_uid(1):
            raise ValueError
        return results(source, *rest)  # type: ignore[arg-type]

    queue.accept(film_uid(1), film(1))
    queue.accept(film_uid(2), film(2))
    both = screener(queue, loader, metrics, make)
    both.step()
    both.step()
    assert [parcel.uid for parcel in queue.parcels()] == [film_uid(2)]


@pytest.mark.parametrize("error", [OSError(28, "No space"), QueueFullError("", retry_after_s=1)])
def test_what_is_not_the_image_s_fault_is_not_counted(
    error: Exception, queue: DurableQueue, loader: ModelLoader, metrics: NodeMetrics, tmp_path: Path
) -> None:
    clock = Clock()
    queue.accept(film_uid(1), film(1))
    tries = screener(queue, loader, metrics, raising(error), clock)
    for _ in range(2 * MAX_ATTEMPTS):
        tries.step()
        clock.now += 1000
    assert reasons(tmp_path) == []
    assert [entry.attempts for entry in queue.queued()] == [0]


def test_an_image_that_ends_the_process_is_set_aside(
    queue: DurableQueue, loader: ModelLoader, metrics: NodeMetrics, tmp_path: Path
) -> None:
    queue.accept(film_uid(1), film(1))
    for _ in range(MAX_ATTEMPTS):
        with pytest.raises(SystemExit):
            screener(queue, loader, metrics, raising(SystemExit())).step()
        assert reasons(tmp_path) == []
    screener(queue, loader, metrics).step()
    assert reasons(tmp_path) == ["process_ended"]


def test_a_file_that_has_another_s_identity_gives_no_results(
    queue: DurableQueue, loader: ModelLoader, metrics: NodeMetrics, tmp_path: Path
) -> None:
    queue.accept(film_uid(2), film(1))
    screener(queue, loader, metrics).step()
    assert reasons(tmp_path) == ["wrong_identity"]


def test_a_file_that_is_gone_is_told(
    queue: DurableQueue, loader: ModelLoader, metrics: NodeMetrics, tmp_path: Path
) -> None:
    queue.accept(film_uid(1), film(1))
    [file] = (tmp_path / "node/queue").iterdir()
    file.unlink()
    screener(queue, loader, metrics).step()
    assert reasons(tmp_path) == ["file_missing"]


def test_our_own_pictures_are_not_screened(
    queue: DurableQueue, loader: ModelLoader, metrics: NodeMetrics
) -> None:
    queue.accept(film_uid(1), film(1, Manufacturer="pneumonia-xray"))
    screener(queue, loader, metrics).step()
    entry = queue.ledger.find(film_uid(1))
    assert entry is not None
    assert (entry.state, entry.reason) == (State.REFUSED, "own_result")


def test_verdicts_and_refusals_are_entered_in_the_audit_log(
    queue: DurableQueue, loader: ModelLoader, metrics: NodeMetrics, tmp_path: Path
) -> None:
    audit = AuditLog(tmp_path / "audit", max_bytes=1_000_000)
    queue.accept(film_uid(1), film(1))
    queue.accept(film_uid(2), film(2)[:-2000])
    audited = screener(queue, loader, metrics, audit=audit)
    audited.step()
    audited.step()
    audit.close()
    lines = [json.loads(line) for line in (tmp_path / "audit").read_text().splitlines()]
    assert [(line["route"], line["status"]) for line in lines] == [("dicom", 200), ("dicom", 422)]
    assert lines[0]["image"] == hashlib.sha256(film(1)).hexdigest()
    assert lines[0]["assessment"]
    assert lines[1]["problem"] == CorruptImageError.code


def test_without_an_entry_no_results_leave(
    queue: DurableQueue, loader: ModelLoader, metrics: NodeMetrics, tmp_path: Path
) -> None:
    audit = AuditLog(tmp_path / "audit", max_bytes=1_000_000)
    audit.close()
    queue.accept(film_uid(1), film(1))
    screener(queue, loader, metrics, audit=audit).step()
    assert not list(queue.parcels())
    assert [entry.attempts for entry in queue.queued()] == [0]
