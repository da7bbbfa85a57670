"""The audit log: one JSON line for each verdict and refusal, on disk before the answer leaves.

One thread writes. What comes while it waits for the disk goes out together, with the next fsync, so
that many requests share the cost of one. Nothing is ever deleted: a file that is full keeps its
lines under another name.
"""

import asyncio
import errno
import fcntl
import json
import logging
import os
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from service.observability.record import ImageRecord, RequestRecord

log = logging.getLogger(__name__)

_BLOCK: Final = 65536


class AuditLogError(Exception):
    """The audit log cannot be opened; the message says why."""


class AuditLog:
    """Appends lines to a file that no other process writes.

    A last line that a killed process left incomplete is cut off: its answer never left.

    Args:
        path: The file. Its folder exists.
        max_bytes: Size from which it is continued in a new file; the full one gets the time as the
            end of its name.

    Raises:
        OSError: The file cannot be written, or another process has it open.
    """

    def __init__(self, path: Path, *, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._file, self._size = _open(path)
        self._closed = False
        self._waiting: queue.SimpleQueue[tuple[bytes, Future[None]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="audit-log", daemon=True)
        self._thread.start()

    async def write(self, entries: Sequence[dict[str, Any]]) -> None:
        """Append entries, one line each, and return when they are on disk.

        Raises:
            OSError: They are not; none of them is in the file.
        """
        if self._closed:
            raise OSError(errno.EBADF, "it is closed")
        lines = b"".join(_line(entry) for entry in entries)
        written: Future[None] = Future()
        written.set_running_or_notify_cancel()  # a caller that is cancelled does not undo it
        self._waiting.put((lines, written))
        await asyncio.wrap_future(written)

    def close(self) -> None:
        """Write what is waiting, then close the file."""
        self._closed = True
        self._waiting.put(None)
        self._thread.join()
        os.close(self._file)

    def _run(self) -> None:
        ending = False
        while not ending:
            group = [self._waiting.get()]
            while not self._waiting.empty():
                group.append(self._waiting.get())
            ending = None in group
            self._commit([each for each in group if each is not None])

    def _commit(self, group: Sequence[tuple[bytes, Future[None]]]) -> None:
        if not group:
            return
        try:
            self._append(b"".join(lines for lines, _ in group))
        except OSError as error:
            log.error("The audit log cannot be written: %s", error.strerror)
            for _, written in group:
                written.set_exception(error)
        else:
            for _, written in group:
                written.set_result(None)

    def _append(self, lines: bytes) -> None:
        if os.fstat(self._file).st_nlink == 0:  # removed by somebody: its name gets a new file
            self._reopen()
        elif self._size and self._size + len(lines) > self._max_bytes:
            with suppress(FileNotFoundError):  # renamed before, when no new file could be made
                self._path.rename(_free_name(self._path))
            self._reopen()
        # Left behind by a write that failed half way.
        os.ftruncate(self._file, self._size)
        rest = memoryview(lines)
        while rest:
            rest = rest[os.write(self._file, rest) :]
        os.fsync(self._file)
        self._size += len(lines)

    def _reopen(self) -> None:
        file, size = _open(self._path)
        os.close(self._file)
        self._file, self._size = file, size


def open_audit(path: Path | None, max_mib: int) -> AuditLog | None:
    """Open the audit log, if there is to be one; see ``AuditLog``.

    Raises:
        AuditLogError: It cannot be written.
    """
    if path is None:
        return None
    try:
        return AuditLog(path, max_bytes=max_mib * 1024 * 1024)
    except BlockingIOError:
        raise AuditLogError(f"{path} is written by another process.") from None
    except OSError as error:
        raise AuditLogError(f"{path} cannot be written: {error.strerror}.") from error


def audit_entries(
    record: RequestRecord, status: int, images: Sequence[ImageRecord]
) -> list[dict[str, Any]]:
    """What the audit log holds about an answer.

    Args:
        record: Its request.
        status: Its status.
        images: Files that it has a verdict on, or a reason why not. Without any, the entry is about
            the refusal of the request, if it was refused.
    """
    common: dict[str, Any] = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "request_id": record.request_id,
        "key": record.key,
        "client": record.client,
        "route": record.route,
        "status": status,
    }
    if images:
        return [{**common, "image": image.sha256, **_outcome(image)} for image in images]
    if status >= 400 and record.problems:
        return [{**common, "problem": record.problems[0]}]
    return []


def _outcome(image: ImageRecord) -> dict[str, Any]:
    verdict = image.verdict
    if verdict is None:
        return {"problem": image.problem}
    return {
        "model": verdict.model_digest,
        "predicted_class": verdict.predicted_class,
        "assessment": verdict.assessment,
        "warnings": list(verdict.warnings),
    }


def _line(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"


def _open(path: Path) -> tuple[int, int]:
    """Open the log for this process alone; its descriptor, and the size of its whole lines."""
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        size = _whole_lines(file)
        torn = os.fstat(file).st_size - size
        if torn:
            log.warning(
                "The audit log ended in an incomplete line of %d bytes: it is cut off", torn
            )
            os.ftruncate(file, size)
        os.fsync(file)
        folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)  # so that the file's name is on disk too
        finally:
            os.close(folder)
    except BaseException:
        os.close(file)
        raise
    return file, size


def _whole_lines(file: int) -> int:
    """Bytes up to the end of the last line."""
    end = os.fstat(file).st_size
    while end:
        start = max(0, end - _BLOCK)
        newline = os.pread(file, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def _free_name(path: Path) -> Path:
    """Where a full log goes: no file has that name."""
    while True:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        name = path.with_name(f"{path.name}.{stamp}")
        if not name.exists():
            return name
