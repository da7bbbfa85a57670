"""Finds the files that a command line names, reads them, and prints their names safely."""

import glob
import os
import stat
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ClassVar, Final

from service.cli.errors import CommandError
from service.imaging.formats import SIGNATURE_BYTES, sniff_format
from service.settings import MIB

# fmt: off
PICTURE_SUFFIXES: Final = frozenset({
    ".avif", ".bmp", ".dcm", ".dib", ".dicom", ".gif", ".heic", ".heif", ".hif", ".j2c", ".j2k",
    ".jfif", ".jp2", ".jpc", ".jpe", ".jpeg", ".jpg", ".jpx", ".jxl", ".png", ".tif", ".tiff",
    ".webp",
})
# fmt: on
"""Suffixes of picture files. Formats that cannot be read are included so that they are reported,
not skipped."""

_DICOMDIR: Final = "DICOMDIR"
"""Name of the file that lists the DICOM files in a folder, on discs and in exports."""

_FORMULA_PREFIXES: Final = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_UNPRINTABLE: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories: control characters, surrogates, line and paragraph separators."""


class UnreadableFileError(Exception):
    """A file cannot be read.

    Attributes:
        code: Stable code of the reason, for programs.
        message: One sentence for the user.
    """

    code: ClassVar[str] = "unreadable_file"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class TooLargeFileError(UnreadableFileError):
    """The file has more bytes than the service accepts."""

    code = "too_large"


@dataclass(frozen=True, slots=True)
class FoundFiles:
    """The files that a command line names.

    Attributes:
        files: Each file once: arguments in their order, folders sorted by name.
        skipped: How many files in folders are not pictures, by both name and content.
        unreadable_folders: Folders that cannot be listed.
    """

    files: tuple[Path, ...]
    skipped: int
    unreadable_folders: tuple[Path, ...]


def find_files(arguments: Sequence[str], also: frozenset[str] = frozenset()) -> FoundFiles:
    """Expand files, folders and patterns.

    A file that is named is included whatever it contains, but a DICOMDIR stands for its folder.
    Folders are searched recursively for
    files with the suffix or the first bytes of a picture; hidden files are skipped, and a folder
    that several links lead to is searched once.

    Args:
        arguments: Files, folders and patterns.
        also: Further suffixes that are taken from folders.

    Raises:
        CommandError: An argument matches nothing, or no picture was found at all.
    """
    walk = _FolderWalk(PICTURE_SUFFIXES | also)
    for argument in arguments:
        for path in _expand(argument):
            if _is_folder(path):
                walk.search(path)
            elif path.name == _DICOMDIR:
                walk.search(path.parent)
            else:
                walk.add(path)
    if not walk.files:
        skipped = f"; skipped: {count_files(walk.skipped)} of other types" if walk.skipped else ""
        raise CommandError(
            f"There is no picture in "
            f"{', '.join(printable_path(Path(name)) for name in arguments)}{skipped}."
        )
    return FoundFiles(tuple(walk.files), walk.skipped, tuple(walk.unreadable))


def read_file(path: Path, *, max_bytes: int) -> bytes:
    """Read a regular file of at most ``max_bytes`` bytes.

    Raises:
        UnreadableFileError: It does not exist, may not be read, is not a regular file, or is
            larger.
    """
    too_large = TooLargeFileError(f"The file is larger than the limit of {max_bytes // MIB} MiB.")
    try:
        with _open(path) as file:
            if os.fstat(file.fileno()).st_size > max_bytes:
                raise too_large
            data = file.read(max_bytes + 1)
    except OSError as error:
        reason = error.strerror or "unknown error"
        raise UnreadableFileError(f"The file cannot be read: {reason}.") from error
    if len(data) > max_bytes:  # it has grown since
        raise too_large
    return data


def printable_path(path: Path) -> str:
    """Write a path so that it stays on one line and no program misreads it.

    Unprintable characters are escaped: a name may contain line breaks, invalid UTF-8 or terminal
    control sequences. A relative path that a spreadsheet would read as a formula gets the prefix
    ``./``, and still names the same file.
    """
    text = "".join(_escaped(character) for character in str(path))
    return f"./{text}" if text.startswith(_FORMULA_PREFIXES) else text


def count_files(count: int) -> str:
    """Write a number of files."""
    return "1 file" if count == 1 else f"{count} files"


def _escaped(character: str) -> str:
    if unicodedata.category(character) not in _UNPRINTABLE:
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # how Python represents a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"


class _FolderWalk:
    """Collects files in a stable order, each once."""

    def __init__(self, suffixes: frozenset[str]) -> None:
        self._suffixes = suffixes
        self.files: dict[Path, None] = {}
        self.skipped = 0
        self.unreadable: list[Path] = []
        self._searched: set[tuple[int, int]] = set()

    def add(self, path: Path) -> None:
        self.files[path] = None

    def search(self, top: Path) -> None:
        pending = [top]
        while pending:
            folder = pending.pop()
            try:
                status = folder.stat()
                entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            except OSError:
                self.unreadable.append(folder)
                continue
            identity = (status.st_dev, status.st_ino)
            if identity in self._searched:
                continue
            self._searched.add(identity)
            visible = [Path(entry.path) for entry in entries if not entry.name.startswith(".")]
            folders = dict.fromkeys(filter(_is_folder, visible))
            pending += reversed(folders)
            for path in visible:
                if path not in folders:
                    self._add_if_picture(path)

    def _add_if_picture(self, path: Path) -> None:
        if path.name == _DICOMDIR:
            return  # what it lists is found without it
        if path.suffix.lower() in self._suffixes or _has_picture_content(path):
            self.add(path)
        else:
            self.skipped += 1


def _expand(argument: str) -> Iterator[Path]:
    if os.path.lexists(argument):
        yield Path(argument)
        return
    # Shells expand patterns, unless they are quoted or match too many files.
    matches = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207 - may be absolute
    if not matches:
        name = printable_path(Path(argument))
        if glob.has_magic(argument):
            raise CommandError(f"No file matches {name}.")
        raise CommandError(f"There is no file or folder {name}.")
    yield from (Path(match) for match in matches)


def _open(path: Path) -> BinaryIO:
    # Without O_NONBLOCK, opening a named pipe would block until something writes to it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UnreadableFileError("This is not a regular file.")
    return os.fdopen(descriptor, "rb")


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a link into a folder without permission
        return False


def _has_picture_content(path: Path) -> bool:
    try:
        with _open(path) as file:
            return sniff_format(file.read(SIGNATURE_BYTES)) is not None
    except (OSError, UnreadableFileError):
        return False
