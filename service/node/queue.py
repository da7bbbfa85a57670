"""The durable queue: what was received is on disk before its sender hears of success.

A folder with, for each image, its file in ``queue/``, its results in ``outbox/`` until they are
delivered, and in ``quarantine/`` what could not be read. The ledger says how far each has come; it
is changed after the files that a state needs are on disk, and before those that it no longer needs
are removed. So a process that is killed at any moment leaves files too many, never one too few.
"""

import errno
import fcntl
import hashlib
import logging
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Final

from service.files import atomic_write, sync_folder, write_durably
from service.node.ledger import FILE_NAME, Entry, Ledger, State
from service.node.quarantine import Quarantine
from service.node.receipt import Receipt

log = logging.getLogger(__name__)

_KEY_DIGITS: Final = 40


class QueueError(Exception):
    """The queue cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """Results of one image that still have to be delivered.

    Attributes:
        uid: SOP Instance UID of the image.
        files: By SOP Instance UID of the result, in the order in which to send them.
    """

    uid: str
    files: dict[str, Path]


class DurableQueue:
    """Images that wait to be screened, and results that wait to be delivered.

    Safe for many threads of one process; another process is refused the same folder.

    Args:
        folder: Made if it does not exist, for its owner alone.
        uid_of: Reads the SOP Instance UID of a file; None if it cannot.
        size: Most images that may wait.
        min_free_bytes: Room that is left on the disk.
        clock: Seconds since the epoch.

    Raises:
        QueueError: The folder cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        *,
        uid_of: Callable[[Path], str | None],
        size: int,
        min_free_bytes: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._size = size
        self._min_free_bytes = min_free_bytes
        self._clock = clock
        self._accepting = threading.Lock()
        self._changed = threading.Condition()
        self._changes = 0
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = _lock(folder)
            self._files, self._outbox, quarantine = self._make_folders()
            self._quarantine = Quarantine(quarantine)
            self.ledger = self._open_ledger()
            self._recover(uid_of)
        except OSError as error:
            raise QueueError(
                f"The folder of the queue, {folder}, cannot be used: {error.strerror or error}."
            ) from error

    def close(self) -> None:
        """Let go of the folder."""
        self.ledger.close()
        self._lock.close()

    def accept(self, uid: str, data: bytes) -> Receipt:
        """Take an object in. Once this returns ``QUEUED``, it survives the end of the machine.

        The same instance is taken in once. One that was refused or put into quarantine is taken in
        again if its content is another.

        Args:
            uid: Its SOP Instance UID.
            data: The whole file.
        """
        digest = hashlib.sha256(data).hexdigest()
        with self._accepting:
            known = self._known(uid, digest)
            if known:
                return known
            counts = self.ledger.counts()
            if counts[State.QUEUED] + counts[State.MADE] >= self._size:
                return Receipt.QUEUE_FULL
            try:
                if shutil.disk_usage(self._folder).free < self._min_free_bytes + len(data):
                    return Receipt.DISK_FULL
                write_durably(self._file(uid), data)
                self.ledger.queue(uid, digest)
            except (OSError, sqlite3.OperationalError) as error:
                if not _is_full(error):
                    log.error("An image could not be stored: %s", type(error).__name__)
                return Receipt.DISK_FULL
        self.notify()
        return Receipt.QUEUED

    def knows(self, uid: str) -> bool:
        """Whether an object need not be fetched: it was received, or was made here."""
        return self.ledger.find(uid) is not None or self.ledger.is_result(uid)

    def queued(self) -> Iterator[Entry]:
        """The images that wait to be screened, oldest first."""
        return self.ledger.waiting(State.QUEUED)

    def read(self, uid: str) -> bytes:
        """The file of an image that waits.

        Raises:
            OSError: It cannot be read.
        """
        return self._file(uid).read_bytes()

    def put_results(self, uid: str, results: Iterable[tuple[str, Callable[[Path], None]]]) -> None:
        """Keep the results of an image until they are delivered.

        Args:
            uid: The image.
            results: The UID of each, and what writes it to a path.

        Raises:
            OSError: They cannot be written; the image keeps waiting.
        """
        folder, unfinished = self._results(uid), self._outbox / f".{_key(uid)}"
        for old in (unfinished, folder):  # of a process that was killed
            shutil.rmtree(old, ignore_errors=True)
        unfinished.mkdir()
        uids = []
        for number, (result, write) in enumerate(results):
            with atomic_write(unfinished / f"{number}.dcm") as temporary:
                write(temporary)
            uids.append(result)
        sync_folder(unfinished)
        unfinished.rename(folder)
        sync_folder(self._outbox)
        self.ledger.made(uid, uids)
        self.notify()

    def parcels(self) -> Iterator[Parcel]:
        """What has to be delivered, oldest first."""
        for entry in self.ledger.waiting(State.MADE):
            folder = self._results(entry.uid)
            left = self.ledger.undelivered(entry.uid)
            yield Parcel(entry.uid, {each.uid: folder / f"{each.number}.dcm" for each in left})

    def delivered(self, uid: str, results: Sequence[str]) -> bool:
        """These results arrived. Once all did, the files of the image are removed.

        Returns:
            Whether all did.
        """
        complete = self.ledger.sent(uid, results)
        if complete:
            self._remove_files(uid)
        return complete

    def screen_again(self, uid: str) -> None:
        """The results of an image were lost: make them anew."""
        entry = self.ledger.find(uid)
        if entry:
            self.ledger.queue(uid, entry.digest)
            self.notify()

    def refuse(self, uid: str, reason: str) -> None:
        """An image cannot be judged; its file is removed."""
        self.ledger.end(uid, State.REFUSED, reason)
        self._remove_files(uid)

    def quarantine(self, uid: str, reason: str) -> None:
        """Set an image aside for a person to look at, with a note of the reason beside it."""
        entry = self.ledger.find(uid)
        note = {
            "reason": reason,
            "attempts": entry.attempts if entry else 0,
            "sha256": entry.digest if entry else "",
            "sop_instance_uid": uid,
            "time_s": round(self._clock()),
        }
        self._quarantine.put(_key(uid), self._file(uid), note)
        self.ledger.end(uid, State.QUARANTINED, reason)
        self._remove_files(uid)

    def retry_quarantined(self) -> int:
        """Queue everything in quarantine again.

        Returns:
            How many images that are.
        """
        entries = list(self.ledger.waiting(State.QUARANTINED))
        back = 0
        for entry in entries:
            kept = self._quarantine.file(_key(entry.uid))
            if kept.exists():
                write_durably(self._file(entry.uid), kept.read_bytes())
                self.ledger.queue(entry.uid, entry.digest)
                self._quarantine.remove(kept.stem)
                back += 1
        self.notify()
        return back

    def forget(self, *, older_than_s: float) -> None:
        """Forget what ended so long ago, with what is left of it in quarantine."""
        for uid in self.ledger.forget(older_than_s=older_than_s):
            self._quarantine.remove(_key(uid))

    def _known(self, uid: str, digest: str) -> Receipt | None:
        if self.ledger.is_result(uid):
            return Receipt.OWN
        entry = self.ledger.find(uid)
        if entry is None:
            return None
        unusable = entry.state in {State.REFUSED, State.QUARANTINED}
        return None if unusable and entry.digest != digest else Receipt.DUPLICATE

    def notify(self) -> None:
        """Wake whoever waits for a change."""
        with self._changed:
            self._changes += 1
            self._changed.notify_all()

    @property
    def changes(self) -> int:
        """How many changes there were."""
        return self._changes

    def wait(self, seen: int, timeout_s: float) -> None:
        """Wait for a change since there were ``seen``, or until the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._changes != seen, timeout_s)

    def _file(self, uid: str) -> Path:
        return self._files / f"{_key(uid)}.dcm"

    def _results(self, uid: str) -> Path:
        return self._outbox / _key(uid)

    def _remove_files(self, uid: str) -> None:
        self._file(uid).unlink(missing_ok=True)
        shutil.rmtree(self._results(uid), ignore_errors=True)

    def _make_folders(self) -> tuple[Path, Path, Path]:
        parts = self._folder / "queue", self._folder / "outbox", self._folder / "quarantine"
        for part in parts:
            part.mkdir(mode=0o700, exist_ok=True)
            for path in part.glob(".*"):  # half written by a process that was killed
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        sync_folder(self._folder)
        return parts

    def _open_ledger(self) -> Ledger:
        try:
            return Ledger(self._folder, clock=self._clock)
        except sqlite3.OperationalError as error:  # the disk, not what is on it
            raise QueueError(f"The ledger in {self._folder} cannot be opened: {error}.") from error
        except sqlite3.DatabaseError:
            # What waits is in files; what was done may be screened again, with the same UIDs.
            log.error("The ledger is damaged: it is set aside, and a new one is started")
            for path in self._folder.glob(f"{FILE_NAME}*"):
                path.rename(path.with_name(f"damaged-{round(self._clock())}-{path.name}"))
            return Ledger(self._folder, clock=self._clock)

    def _recover(self, uid_of: Callable[[Path], str | None]) -> None:
        """Put right what a process that was killed left behind."""
        waiting = {
            _key(each.uid): each
            for state in (State.QUEUED, State.MADE)
            for each in self.ledger.waiting(state)
        }
        for path in self._files.glob("*.dcm"):
            if path.stem not in waiting:
                self._adopt(path, uid_of(path))
        for path in self._outbox.iterdir():
            entry = waiting.get(path.name)
            if entry is None or entry.state is not State.MADE:
                shutil.rmtree(path)

    def _adopt(self, path: Path, uid: str | None) -> None:
        if uid is None or path.stem != _key(uid):
            self._quarantine.take_over(path)  # whatever it is, it is not ours to remove
            return
        if self.ledger.find(uid):
            path.unlink()  # its work has ended, or its sender never heard of success
            return
        self.ledger.queue(uid, hashlib.sha256(path.read_bytes()).hexdigest())


def _key(uid: str) -> str:
    """The name of an image's files: no UID leads out of the folder."""
    return hashlib.sha256(uid.encode()).hexdigest()[:_KEY_DIGITS]


def _is_full(error: Exception) -> bool:
    return "full" in str(error) or getattr(error, "errno", None) in {errno.ENOSPC, errno.EDQUOT}


def _lock(folder: Path) -> FileIO:
    file = FileIO(os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise QueueError(f"Another node uses the folder {folder}.") from None
    return file
