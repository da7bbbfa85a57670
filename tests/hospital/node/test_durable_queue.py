import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.hospital.node import quarantine
from service.hospital.node.durable_queue import DurableQueue, QueueError
from service.hospital.node.ledger import FILE_NAME, State
from service.hospital.node.receipt import Receipt
from service.hospital.node.uids import uid_of_file
from tests.hospital.node.objects import film, film_uid
from tests.serving import ROOT

A_DAY_S = 24 * 3600.0


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def opened(
    folder: Path,
    *,
    size: int = 100,
    min_free_bytes: int = 0,
    clock: Callable[[], float] | None = None,
) -> Iterator[DurableQueue]:
    queue = DurableQueue(
        folder,
        uid_of=uid_of_file,
        size=size,
        min_free_bytes=min_free_bytes,
        clock=clock or Clock(),
    )
    try:
        yield queue
    finally:
        queue.close()


def writer(content: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(content)

    return write


def waiting(queue: DurableQueue) -> list[str]:
    return [entry.uid for entry in queue.queued()]


def files(folder: Path) -> set[str]:
    """Everything that is kept of images and results, relative to the folder."""
    kept = (path for part in ("queue", "outbox") for path in (folder / part).rglob("*"))
    return {str(path.relative_to(folder)) for path in kept if path.is_file()}


def test_what_was_received_is_read_back_in_its_order(tmp_path: Path) -> None:
    with opened(tmp_path) as queue:
        for number in range(3):
            assert queue.accept(film_uid(number), film(number)) is Receipt.QUEUED
        assert waiting(queue) == [film_uid(number) for number in range(3)]
        assert queue.read(film_uid(1)) == film(1)


def test_the_next_process_finds_it(tmp_path: Path) -> None:
    with opened(tmp_path) as queue:
        queue.accept(film_uid(1), film(1))
    with opened(tmp_path) as queue:
        assert waiting(queue) == [film_uid(1)]
        assert queue.read(film_uid(1)) == film(1)


def test_an_instance_is_taken_in_once_in_every_state(tmp_path: Path) -> None:
    uid, data = film_uid(1), film(1)
    with opened(tmp_path) as queue:
        queue.accept(uid, data)
        assert queue.accept(uid, data) is Receipt.DUPLICATE
        queue.put_results(uid, [("1.2.3", writer(b"report"))])
        assert queue.accept(uid, film(1, AccessionNumber="OTHER")) is Receipt.DUPLICATE
        assert queue.delivered(uid, ["1.2.3"])
        assert queue.accept(uid, data) is Receipt.DUPLICATE
        assert waiting(queue) == []


@pytest.mark.parametrize("ending", ["refuse", "quarantine"])
def test_what_could_not_be_judged_is_taken_in_again_if_it_has_changed(
    ending: str, tmp_path: Path
) -> None:
    uid = film_uid(1)
    with opened(tmp_path) as queue:
        queue.accept(uid, film(1))
        getattr(queue, ending)(uid, "reason")
        assert queue.accept(uid, film(1)) is Receipt.DUPLICATE
        assert queue.accept(uid, film(1, AccessionNumber="OTHER")) is Receipt.QUEUED
        assert waiting(queue) == [uid]


def test_own_results_are_known_and_not_taken_in(tmp_path: Path) -> None:
    with opened(tmp_path) as queue:
        queue.accept(film_uid(1), film(1))
        queue.put_results(film_uid(1), [("1.2.3", writer(b"report"))])
        assert queue.knows("1.2.3")
        assert not queue.knows("1.2.4")
        assert queue.accept("1.2.3", b"report") is Receipt.OWN


def test_a_full_queue_takes_nothing_in_until_something_has_left(tmp_path: Path) -> None:
    with opened(tmp_path, size=2) as queue:
        queue.accept(film_uid(1), film(1))
        queue.accept(film_uid(2), film(2))
        assert queue.accept(film_uid(3), film(3)) is Receipt.QUEUE_FULL
        assert not queue.knows(film_uid(3))
        queue.refuse(film_uid(1), "not_a_chest_radiograph")
        assert queue.accept(film_uid(3), film(3)) is Receipt.QUEUED


def test_the_last_of_the_disk_is_not_used(tmp_path: Path) -> None:
    with opened(tmp_path, min_free_bytes=1 << 60) as queue:
        receipt = queue.accept(film_uid(1), film(1))
        assert receipt is Receipt.DISK_FULL
        assert not receipt.accepted
    assert files(tmp_path) == set()


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from tests.hospital.node.objects import film, film_uid
from tests.hospital.node.test_durable_queue import opened
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with opened(Path(sys.argv[1])) as queue:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, resource.RLIM_INFINITY))
    print(queue.accept(film_uid(1), film(1)), queue.knows(film_uid(1)))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(queue.accept(film_uid(1), film(1)))
"""


def test_a_write_that_fails_is_no_success_and_does_no_harm(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, tmp_path],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["disk_full", "False", "queued"]
    assert len(files(tmp_path)) == 1


def test_files_go_when_the_work_has_ended(tmp_path: Path) -> None:
    with opened(tmp_path) as queue:
        for number in range(3):
            queue.accept(film_uid(number), film(number))
        queue.put_results(film_uid(0), [("1.1", writer(b"a")), ("1.2", writer(b"b"))])
        assert len(files(tmp_path)) == 5
        assert not queue.delivered(film_uid(0), ["1.1"])
        [parcel] = queue.parcels()
        assert list(parcel.files) == ["1.2"]
        assert parcel.files["1.2"].read_bytes() == b"b"
        assert queue.delivered(film_uid(0), ["1.2"])
        queue.refuse(film_uid(1), "not_a_chest_radiograph")
        queue.quarantine(film_uid(2), "corrupt_image")
        assert files(tmp_path) == set()
        counts = queue.ledger.counts()
    assert (counts[State.SENT], counts[State.REFUSED], counts[State.QUARANTINED]) == (1, 1, 1)


def test_quarantine_keeps_the_file_and_says_why_without_the_patient(tmp_path: Path) -> None:
    with opened(tmp_path) as queue:
        queue.accept(film_uid(1), film(1))
        queue.quarantine(film_uid(1), "corrupt_image")
    [note] = (tmp_path / "quarantine").glob("*.json")
    assert note.with_suffix(".dcm").read_bytes() == film(1)
    told = json.loads(note.read_text())
    assert told["reason"] == "corrupt_image"
    assert "Planted" not in note.read_text()
    assert "PLANTED" not in note.read_text()


def test_what_is_in_quarantine_can_be_tried_again(tmp_path: Path) -> None:
    with opened(tmp_path) as queue:
        queue.accept(film_uid(1), film(1))
        queue.ledger.begin(film_uid(1))
        queue.quarantine(film_uid(1), "internal_error")
        assert queue.retry_quarantined() == 1
        [entry] = queue.queued()
        assert (entry.uid, entry.attempts) == (film_uid(1), 0)
        assert queue.read(film_uid(1)) == film(1)
    assert list((tmp_path / "quarantine").iterdir()) == []


def test_quarantine_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "MAX_FILES", 2)
    with opened(tmp_path) as queue:
        for number in range(4):
            queue.accept(film_uid(number), film(number))
            queue.quarantine(film_uid(number), "corrupt_image")
            os.sync()
    kept = {note.with_suffix(".dcm").read_bytes() for note in tmp_path.glob("quarantine/*.json")}
    assert len(kept) == 2
    assert film(3) in kept


def test_what_ended_long_ago_is_forgotten_and_what_waits_is_not(tmp_path: Path) -> None:
    clock = Clock()
    with opened(tmp_path, clock=clock) as queue:
        for number in range(4):
            queue.accept(film_uid(number), film(number))
        queue.put_results(film_uid(0), [("1.1", writer(b"a"))])
        queue.delivered(film_uid(0), ["1.1"])
        queue.refuse(film_uid(1), "not_a_chest_radiograph")
        queue.quarantine(film_uid(2), "corrupt_image")
        clock.now += 90 * A_DAY_S
        queue.forget(older_than_s=91 * A_DAY_S)
        assert queue.knows(film_uid(0))
        queue.forget(older_than_s=89 * A_DAY_S)
        assert [queue.knows(film_uid(number)) for number in range(4)] == [False] * 3 + [True]
        assert not queue.knows("1.1")
    assert list((tmp_path / "quarantine").iterdir()) == []


def test_attempts_are_counted_on_the_disk(tmp_path: Path) -> None:
    with opened(tmp_path) as queue:
        queue.accept(film_uid(1), film(1))
        assert queue.ledger.begin(film_uid(1)) == 1
    with opened(tmp_path) as queue:
        assert queue.ledger.begin(film_uid(1)) == 2
        queue.ledger.take_back(film_uid(1))
        assert queue.ledger.begin(film_uid(1)) == 2


def test_how_long_the_oldest_has_waited(tmp_path: Path) -> None:
    clock = Clock()
    with opened(tmp_path, clock=clock) as queue:
        assert queue.ledger.oldest_s() == 0
        queue.accept(film_uid(1), film(1))
        clock.now += 60
        queue.accept(film_uid(2), film(2))
        assert queue.ledger.oldest_s() == 60
        queue.refuse(film_uid(1), "not_a_chest_radiograph")
        assert queue.ledger.oldest_s() == 0


def test_a_second_process_is_refused_the_folder(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(QueueError, match="Another node"), opened(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(QueueError, match="cannot be used"), opened(tmp_path / "file/queue"):
        pass


def test_the_folder_is_closed_to_others(tmp_path: Path) -> None:
    with opened(tmp_path / "new"):
        assert (tmp_path / "new").stat().st_mode & 0o077 == 0


class TestAfterAKill:
    """What a process leaves that is killed between two writes."""

    def test_a_file_whose_sender_never_heard_is_screened_all_the_same(self, tmp_path: Path) -> None:
        with opened(tmp_path) as queue:
            queue.accept(film_uid(1), film(1))
            [file] = (tmp_path / "queue").iterdir()
        (tmp_path / FILE_NAME).unlink()
        assert file.exists()
        with opened(tmp_path) as queue:
            assert waiting(queue) == [film_uid(1)]
            assert queue.accept(film_uid(1), film(1)) is Receipt.DUPLICATE

    def test_files_of_work_that_had_ended_go(self, tmp_path: Path) -> None:
        with opened(tmp_path) as queue:
            queue.accept(film_uid(1), film(1))
            queue.put_results(film_uid(1), [("1.1", writer(b"a"))])
            shutil.copytree(tmp_path / "queue", tmp_path / "kept/queue")
            shutil.copytree(tmp_path / "outbox", tmp_path / "kept/outbox")
            queue.delivered(film_uid(1), ["1.1"])
        shutil.copytree(tmp_path / "kept", tmp_path, dirs_exist_ok=True)
        with opened(tmp_path) as queue:
            assert waiting(queue) == []
            assert list(queue.parcels()) == []
        assert files(tmp_path) == set()

    def test_results_that_the_ledger_had_not_yet_are_made_anew(self, tmp_path: Path) -> None:
        with opened(tmp_path) as queue:
            queue.accept(film_uid(1), film(1))
        [file] = (tmp_path / "queue").iterdir()
        (tmp_path / "outbox" / file.stem).mkdir()
        (tmp_path / "outbox" / file.stem / "0.dcm").write_bytes(b"old")
        (tmp_path / "outbox" / f".{file.stem}").mkdir()
        (tmp_path / "queue" / ".half-written.dcm").write_bytes(b"half")
        with opened(tmp_path) as queue:
            assert waiting(queue) == [film_uid(1)]
            queue.put_results(film_uid(1), [("1.1", writer(b"new"))])
            [parcel] = queue.parcels()
            assert parcel.files["1.1"].read_bytes() == b"new"
        assert not list(tmp_path.glob("*/.*"))

    def test_a_file_that_tells_nothing_is_set_aside(self, tmp_path: Path) -> None:
        with opened(tmp_path):
            pass
        (tmp_path / "queue/strange.dcm").write_bytes(b"strange")
        with opened(tmp_path) as queue:
            assert waiting(queue) == []
        assert (tmp_path / "quarantine/strange.dcm").read_bytes() == b"strange"

    def test_a_damaged_ledger_is_set_aside_and_nothing_that_waits_is_lost(
        self, tmp_path: Path
    ) -> None:
        with opened(tmp_path) as queue:
            queue.accept(film_uid(1), film(1))
            queue.accept(film_uid(2), film(2))
            queue.put_results(film_uid(2), [("1.1", writer(b"a"))])
        for path in tmp_path.glob(f"{FILE_NAME}*"):
            path.write_bytes(b"no database" * 1000)
        with opened(tmp_path) as queue:
            assert sorted(waiting(queue)) == sorted([film_uid(1), film_uid(2)])
        assert list(tmp_path.glob("damaged-*"))


def test_of_many_senders_of_one_instance_one_is_taken_in(tmp_path: Path) -> None:
    receipts: list[Receipt] = []
    data = film(1)
    with opened(tmp_path) as queue:
        threads = [
            threading.Thread(target=lambda: receipts.append(queue.accept(film_uid(1), data)))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(receipts) == [Receipt.DUPLICATE] * 7 + [Receipt.QUEUED]


def test_every_change_is_flushed_to_the_disk(tmp_path: Path) -> None:
    with opened(tmp_path) as queue:
        queue.accept(film_uid(1), film(1))
        # Whoever opens the file beside us sees what is in the write-ahead log, too.
        with sqlite3.connect(tmp_path / FILE_NAME) as other:
            [(mode,)] = other.execute("PRAGMA journal_mode")
            [(count,)] = other.execute("SELECT count(*) FROM instances")
        other.close()
    assert (mode, count) == ("wal", 1)
