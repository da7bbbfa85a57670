"""The durable queue: what was received is on disk before its sender hears of success.

The ledger says how far each image has come; it is changed after the files that a state needs are on
disk, and before those that it no longer needs are removed. So a process that is killed at any
moment leaves files too many, never one too few.
"""

import errno
import hashlib
import logging
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from service.hospital.node.folder import FolderInUseError, QueueFolder, key_of
from service.hospital.node.ledger import FILE_NAME, Entry, Ledger, State
from service.hospital.node.quarantine import Quarantine
from service.hospital.node.receipt import Receipt

log = logging.getLogger(__name__)


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
        self._size = size
        self._min_free_bytes = min_free_bytes
        self._clock = clock
        self._accepting = threading.Lock()
        self._changed = threading.Condition()
        self._changes = 0
        try:
            self._folder = QueueFolder(folder)
            self._quarantine = Quarantine(self._folder.quarantine)
            self.ledger = self._open_ledger()
            self._recover(uid_of)
        except FolderInUseError:
            raise QueueError(f"Another node uses the folder {folder}.") from None
        except OSError as error:
            raise QueueError(
                f"The folder of the queue, {folder}, cannot be used: {error.strerror or error}."
            ) from error

    def close(self) -> None:
        """Let go of the folder."""
        self.ledger.close()
        self._folder.close()

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
                if self._folder.free_bytes() < self._min_free_bytes + len(data):
                    return Receipt.DISK_FULL
                self._folder.store(uid, data)
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
        return self._folder.file(uid).read_bytes()

    def put_results(self, uid: str, results: Iterable[tuple[str, Callable[[Path], None]]]) -> None:
        """Keep the results of an image until they are delivered.

        Args:
            uid: The image.
            results: The UID of each, and what writes it to a path.

        Raises:
            OSError: They cannot be written; the image keeps waiting.
        """
        made = list(results)
        self._folder.store_results(uid, (write for _, write in made))
        self.ledger.made(uid, [result for result, _ in made])
        self.notify()

    def parcels(self) -> Iterator[Parcel]:
        """What has to be delivered, oldest first."""
        for entry in self.ledger.waiting(State.MADE):
            left = self.ledger.undelivered(entry.uid)
            files = {each.uid: self._folder.result(entry.uid, each.number) for each in left}
            yield Parcel(entry.uid, files)

    def delivered(self, uid: str, results: Sequence[str]) -> bool:
        """These results arrived. Once all did, the files of the image are removed.

        Returns:
            Whether all did.
        """
        complete = self.ledger.sent(uid, results)
        if complete:
            self._folder.remove(uid)
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
        self._folder.remove(uid)

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
        self._quarantine.put(key_of(uid), self._folder.file(uid), note)
        self.ledger.end(uid, State.QUARANTINED, reason)
        self._folder.remove(uid)

    def retry_quarantined(self) -> int:
        """Queue everything in quarantine again.

        Returns:
            How many images that are.
        """
        entries = list(self.ledger.waiting(State.QUARANTINED))
        back = 0
        for entry in entries:
            kept = self._quarantine.file(key_of(entry.uid))
            if kept.exists():
                self._folder.store(entry.uid, kept.read_bytes())
                self.ledger.queue(entry.uid, entry.digest)
                self._quarantine.remove(kept.stem)
                back += 1
        self.notify()
        return back

    def forget(self, *, older_than_s: float) -> None:
        """Forget what ended so long ago, with what is left of it in quarantine."""
        for uid in self.ledger.forget(older_than_s=older_than_s):
            self._quarantine.remove(key_of(uid))

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

    def _open_ledger(self) -> Ledger:
        folder = self._folder.path
        try:
            return Ledger(folder, clock=self._clock)
        except sqlite3.OperationalError as error:  # the disk, not what is on it
            raise QueueError(f"The ledger in {folder} cannot be opened: {error}.") from error
        except sqlite3.DatabaseError:
            # What waits is in files; what was done may be screened again, with the same UIDs.
            log.error("The ledger is damaged: it is set aside, and a new one is started")
            for path in folder.glob(f"{FILE_NAME}*"):
                path.rename(path.with_name(f"damaged-{round(self._clock())}-{path.name}"))
            return Ledger(folder, clock=self._clock)

    def _recover(self, uid_of: Callable[[Path], str | None]) -> None:
        """Put right what a process that was killed left behind."""
        waiting = {
            key_of(each.uid): each
            for state in (State.QUEUED, State.MADE)
            for each in self.ledger.waiting(state)
        }
        for path in self._folder.files():
            if path.stem not in waiting:
                self._adopt(path, uid_of(path))
        for path in self._folder.results():
            entry = waiting.get(path.name)
            if entry is None or entry.state is not State.MADE:
                shutil.rmtree(path)

    def _adopt(self, path: Path, uid: str | None) -> None:
        if uid is None or path.stem != key_of(uid):
            self._quarantine.take_over(path)  # whatever it is, it is not ours to remove
            return
        if self.ledger.find(uid):
            path.unlink()  # its work has ended, or its sender never heard of success
            return
        self.ledger.queue(uid, hashlib.sha256(path.read_bytes()).hexdigest())


def _is_full(error: Exception) -> bool:
    return "full" in str(error) or getattr(error, "errno", None) in {errno.ENOSPC, errno.EDQUOT}
