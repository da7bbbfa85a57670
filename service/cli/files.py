"""Which files a command line means, and their bytes."""

import glob
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ClassVar, Final

from service.cli.names import files, shown
from service.cli.refusing import CannotError
from service.imaging.formats import sniff_format

_READ: Final = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".tif", ".tiff")
_OTHERS: Final = (".avif", ".dcm", ".dicom", ".gif", ".heic", ".heif", ".j2k", ".jp2", ".jxl")
PICTURE_SUFFIXES: Final = frozenset({*_READ, *_OTHERS})
"""What pictures are named like, those as well that cannot be read here: a radiograph is reported,
not passed over."""

_SIGNATURE_BYTES: Final = 32
_MIB: Final = 1024 * 1024


class UnreadableFileError(Exception):
    """The bytes of a file cannot be had.

    Attributes:
        code: Stable name of the reason, for programs.
        message: One sentence for people.
    """

    code: ClassVar[str] = "unreadable_file"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class TooLargeFileError(UnreadableFileError):
    """The file has more bytes than a radiograph may have."""

    code = "too_large"


@dataclass(frozen=True, slots=True)
class Found:
    """What a command line means.

    Attributes:
        files: Each file once: arguments in their order, folders sorted by name.
        skipped: Files in folders that are no pictures, by their name and by their first bytes.
        unreadable_folders: Folders whose content cannot be listed.
    """

    files: tuple[Path, ...]
    skipped: int
    unreadable_folders: tuple[Path, ...]


def find(arguments: Sequence[str]) -> Found:
    """Expand files, folders and patterns.

    A named file is taken whatever it holds. From folders, at any depth, come all files that are
    named like a picture or begin like one; hidden ones are passed over, and a folder that links
    lead to twice is entered once.

    Raises:
        CannotError: An argument names nothing that exists, or there is no picture in all of them.
    """
    walk = _Walk()
    for argument in arguments:
        for path in _expand(argument):
            if _is_folder(path):
                walk.folder(path)
            else:
                walk.add(path)
    if not walk.files:
        said = f"; passed over: {files(walk.skipped)} of other kinds" if walk.skipped else ""
        raise CannotError(
            f"There is no picture in {', '.join(shown(Path(name)) for name in arguments)}{said}."
        )
    return Found(tuple(walk.files), walk.skipped, tuple(walk.unreadable))


def read(path: Path, *, max_bytes: int) -> bytes:
    """Read a whole regular file of at most ``max_bytes`` bytes.

    Raises:
        UnreadableFileError: It is gone, not allowed, no regular file, or larger.
    """
    too_large = TooLargeFileError(
        f"The file is larger than the {max_bytes // _MIB} MiB that are accepted."
    )
    try:
        with _opened(path) as file:
            if os.fstat(file.fileno()).st_size > max_bytes:
                raise too_large
            data = file.read(max_bytes + 1)
    except OSError as error:
        reason = error.strerror or "unknown error"
        raise UnreadableFileError(f"The file cannot be read: {reason}.") from error
    if len(data) > max_bytes:  # it grew meanwhile
        raise too_large
    return data


class _Walk:
    """Collects files in a settled order, each once."""

    def __init__(self) -> None:
        self.files: dict[Path, None] = {}
        self.skipped = 0
        self.unreadable: list[Path] = []
        self._entered: set[tuple[int, int]] = set()

    def add(self, path: Path) -> None:
        self.files[path] = None

    def folder(self, top: Path) -> None:
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            try:
                status = folder.stat()
                entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            except OSError:
                self.unreadable.append(folder)
                continue
            identity = (status.st_dev, status.st_ino)
            if identity in self._entered:
                continue
            self._entered.add(identity)
            visible = [Path(entry.path) for entry in entries if not entry.name.startswith(".")]
            folders = dict.fromkeys(filter(_is_folder, visible))
            waiting += reversed(folders)
            for path in visible:
                if path not in folders:
                    self._consider(path)

    def _consider(self, path: Path) -> None:
        if path.suffix.lower() in PICTURE_SUFFIXES or _begins_like_a_picture(path):
            self.add(path)
        else:
            self.skipped += 1


def _expand(argument: str) -> Iterator[Path]:
    if os.path.lexists(argument):
        yield Path(argument)
        return
    # Shells expand patterns themselves, unless they were quoted or match too much for one line.
    matches = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207 - may be absolute
    if not matches:
        kind = "matches" if glob.has_magic(argument) else "is there"
        raise CannotError(f"Nothing {kind}: {shown(Path(argument))}")
    yield from (Path(match) for match in matches)


def _opened(path: Path) -> BinaryIO:
    # Without O_NONBLOCK, opening a named pipe would wait for a writer for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UnreadableFileError("This is not a regular file.")
    return open(descriptor, "rb")  # noqa: PTH123 - a descriptor has no Path


def _is_folder(path: Path) -> bool:
    # Path.is_dir() raises where a link leads into a folder that may not be entered.
    return os.path.isdir(path)  # noqa: PTH112


def _begins_like_a_picture(path: Path) -> bool:
    try:
        with _opened(path) as file:
            return sniff_format(file.read(_SIGNATURE_BYTES)) is not None
    except (OSError, UnreadableFileError):
        return False
