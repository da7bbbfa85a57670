import asyncio
import json
import os
import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from service.observability.audit import AuditLog, AuditLogError, audit_entries, open_audit
from service.observability.record import ImageRecord, RequestRecord, VerdictRecord

pytestmark = pytest.mark.anyio

NOTED = VerdictRecord("sha256:d", "PNEUMONIA", "indeterminate", 0.6, ("low_contrast",))


@contextmanager
def opened(path: Path, max_bytes: int = 10_000) -> Iterator[AuditLog]:
    audit = AuditLog(path, max_bytes=max_bytes)
    try:
        yield audit
    finally:
        audit.close()


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def files_of(folder: Path, *, last: Path) -> list[Path]:
    return sorted(folder.iterdir(), key=lambda file: (file == last, file.name))


class TestFile:
    async def test_entries_are_lines_in_the_order_in_which_they_came(self, tmp_path: Path) -> None:
        path = tmp_path / "audit.jsonl"
        with opened(path) as audit:
            await audit.write([{"n": 0}, {"n": 1}])
            await asyncio.gather(*(audit.write([{"n": n}]) for n in range(2, 40)))
            assert lines(path) == [{"n": n} for n in range(40)]
        with opened(path) as audit:
            await audit.write([{"n": 40}])
        assert len(lines(path)) == 41
        assert path.stat().st_mode & 0o777 == 0o600

    async def test_what_comes_together_shares_one_fsync(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        synced, first = threading.Semaphore(0), threading.Event()
        fsync = os.fsync

        def slow_fsync(file: int) -> None:
            first.wait(60)
            synced.release()
            fsync(file)

        with opened(tmp_path / "audit.jsonl") as audit:
            monkeypatch.setattr(os, "fsync", slow_fsync)
            writes = [asyncio.ensure_future(audit.write([{"n": n}])) for n in range(30)]
            await asyncio.sleep(0.05)
            first.set()
            await asyncio.gather(*writes)
        count = 0
        while synced.acquire(blocking=False):
            count += 1
        assert count <= 3

    @pytest.mark.parametrize("torn", [b'{"n":1', b"\0" * 70_000, b"x" * 200_000])
    async def test_an_incomplete_last_line_is_cut_off(self, tmp_path: Path, torn: bytes) -> None:
        path = tmp_path / "audit.jsonl"
        path.write_bytes(b'{"n":0}\n' + torn)
        with opened(path, 1_000_000) as audit:
            await audit.write([{"n": 1}])
        assert lines(path) == [{"n": 0}, {"n": 1}]

    async def test_a_file_without_a_whole_line_starts_anew(self, tmp_path: Path) -> None:
        path = tmp_path / "audit.jsonl"
        path.write_bytes(b'{"n"')
        with opened(path) as audit:
            await audit.write([{"n": 1}])
        assert lines(path) == [{"n": 1}]

    async def test_a_full_file_is_kept_under_another_name(self, tmp_path: Path) -> None:
        path = tmp_path / "audit.jsonl"
        with opened(path, max_bytes=200) as audit:
            for n in range(100):
                await audit.write([{"n": n}])
        files = files_of(tmp_path, last=path)
        assert len(files) > 4
        assert all(file.stat().st_size <= 200 for file in files)
        assert [line["n"] for file in files for line in lines(file)] == list(range(100))

    async def test_a_file_that_was_removed_is_made_anew(self, tmp_path: Path) -> None:
        path = tmp_path / "audit.jsonl"
        with opened(path) as audit:
            await audit.write([{"n": 0}])
            path.unlink()
            await audit.write([{"n": 1}])
        assert lines(path) == [{"n": 1}]

    async def test_once_the_disk_has_room_again_it_goes_on_with_whole_lines(
        self, tmp_path: Path, full_disk: Any
    ) -> None:
        path = tmp_path / "audit.jsonl"
        with opened(path) as audit:
            await audit.write([{"n": 0}])
            with full_disk(path.stat().st_size + 5), pytest.raises(OSError, match="large"):
                await audit.write([{"n": 1}])
            await audit.write([{"n": 2}])
        assert lines(path) == [{"n": 0}, {"n": 2}]

    async def test_when_it_is_closed_nothing_is_written(self, tmp_path: Path) -> None:
        with opened(tmp_path / "audit.jsonl") as audit:
            pass
        with pytest.raises(OSError, match="closed"):
            await audit.write([{"n": 0}])


@pytest.fixture
def full_disk() -> Iterator[Any]:
    """Limits the size of files: what is beyond it is not written, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    @contextmanager
    def limited(size: int) -> Iterator[None]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    yield limited
    signal.signal(signal.SIGXFSZ, handler)


class TestOpening:
    async def test_without_a_path_there_is_none(self) -> None:
        assert open_audit(None, 1) is None

    @pytest.mark.parametrize("name", ["missing/audit.jsonl", "."])
    async def test_what_cannot_be_written_is_an_error_in_words(
        self, tmp_path: Path, name: str
    ) -> None:
        with pytest.raises(AuditLogError, match="cannot be written: "):
            open_audit(tmp_path / name, 1)

    async def test_one_process_alone_may_write_it(self, tmp_path: Path) -> None:
        path = tmp_path / "audit.jsonl"
        with opened(path), pytest.raises(AuditLogError, match="another process"):
            open_audit(path, 1)


class TestEntries:
    def test_a_verdict_is_one_line_without_the_probability(self) -> None:
        record = RequestRecord("r1", route="/predict", client="10.0.0.7", key="ward-3")
        [entry] = audit_entries(record, 200, [ImageRecord("a" * 64, 9, NOTED)])
        assert entry.pop("time").endswith("Z")
        assert entry == {
            "request_id": "r1",
            "key": "ward-3",
            "client": "10.0.0.7",
            "route": "/predict",
            "status": 200,
            "image": "a" * 64,
            "model": "sha256:d",
            "predicted_class": "PNEUMONIA",
            "assessment": "indeterminate",
            "warnings": ["low_contrast"],
        }

    def test_a_file_without_a_verdict_has_its_reason(self) -> None:
        record = RequestRecord("r1", problems=["corrupt_image"])
        images = [
            ImageRecord("a" * 64, 9, NOTED),
            ImageRecord("b" * 64, 9, problem="corrupt_image"),
        ]
        one, two = audit_entries(record, 200, images)
        assert (one["assessment"], two["problem"]) == ("indeterminate", "corrupt_image")
        assert two["image"] == "b" * 64

    def test_a_request_without_a_file_is_entered_when_it_was_refused(self) -> None:
        record = RequestRecord("r1", problems=["unauthorized"])
        [entry] = audit_entries(record, 401, [])
        assert (entry["status"], entry["problem"]) == (401, "unauthorized")
        assert audit_entries(RequestRecord("r1"), 200, []) == []
