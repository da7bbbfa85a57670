"""Where the files of the queue are.

A folder with, for each image, its file in ``queue/``, its results in ``outbox/`` until they are
delivered, and in ``quarantine/`` what a person should look at.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from io import FileIO
from pathlib import Path
from typing import Final

from service.hospital.node.durable import sync_folder, write_durably
from service.inference.atomic_write import atomic_write

_KEY_DIGITS: Final = 40


class FolderInUseError(Exception):
    """Another process has the folder."""


class QueueFolder:
    """The files of one node. Made if it does not exist, for its owner alone.

    Args:
        path: The folder.

    Raises:
        FolderInUseError: Another process has it.
        OSError: It cannot be used.
    """

    def __init__(self, path: Path) -> None:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = path
        self._lock = _lock(path)
        self._files, self._outbox = path / "queue", path / "outbox"
        self.quarantine = path / "quarantine"
        for part in (self._files, self._outbox, self.quarantine):
            part.mkdir(mode=0o700, exist_ok=True)
            for half in part.glob(".*"):  # written by a process that was killed
                shutil.rmtree(half) if half.is_dir() else half.unlink()
        sync_folder(path)

    def close(self) -> None:
        """Let go of the folder."""
        self._lock.close()

    def free_bytes(self) -> int:
        """Room that is left on the disk."""
        return shutil.disk_usage(self.path).free

    def file(self, uid: str) -> Path:
        """Where the file of an image is, if it is here."""
        return self._files / f"{key_of(uid)}.dcm"

    def result(self, uid: str, number: int) -> Path:
        """Where a result of an image is."""
        return self._results(uid) / f"{number}.dcm"

    def files(self) -> Iterator[Path]:
        """The files of images."""
        return self._files.glob("*.dcm")

    def results(self) -> Iterator[Path]:
        """The folders of images' results; each is named by its image's key."""
        return self._outbox.iterdir()

    def store(self, uid: str, data: bytes) -> None:
        """Write the file of an image, so that it is there after a power cut.

        Raises:
            OSError: It cannot be written.
        """
        write_durably(self.file(uid), data)

    def store_results(self, uid: str, writers: Iterable[Callable[[Path], None]]) -> None:
        """Write the results of an image: all of them are there after a power cut, or none.

        Args:
            uid: The image.
            writers: Each writes one result to a path.

        Raises:
            OSError: They cannot be written.
        """
        folder, unfinished = self._results(uid), self._outbox / f".{key_of(uid)}"
        for old in (unfinished, folder):  # of a process that was killed
            shutil.rmtree(old, ignore_errors=True)
        unfinished.mkdir()
        for number, write in enumerate(writers):
            with atomic_write(unfinished / f"{number}.dcm") as temporary:
                write(temporary)
        sync_folder(unfinished)
        unfinished.rename(folder)
        sync_folder(self._outbox)

    def remove(self, uid: str) -> None:
        """Remove the file of an image and its results."""
        self.file(uid).unlink(missing_ok=True)
        shutil.rmtree(self._results(uid), ignore_errors=True)

    def _results(self, uid: str) -> Path:
        return self._outbox / key_of(uid)


def key_of(uid: str) -> str:
    """The name of an image's files: no UID leads out of the folder."""
    return hashlib.sha256(uid.encode()).hexdigest()[:_KEY_DIGITS]


def _lock(folder: Path) -> FileIO:
    file = FileIO(os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise FolderInUseError from None
    return file
