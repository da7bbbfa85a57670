"""The CSV table of a run: written row by row, and resumed by the next run.

Each row is written as soon as its file is done, so that a killed process loses no verdict. It may
leave a partial row, which the next run removes. Only one run at a time may write a table.

It begins with a byte order mark, without which Excel reads UTF-8 as another encoding and spoils
accents.
"""

import csv
import fcntl
import os
import shutil
import stat
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from io import FileIO, StringIO
from pathlib import Path
from typing import Final

from service.cli.errors import CommandError
from service.cli.files import printable_path
from service.cli.outcome import Columns, Outcome, Row, is_header, read_row
from service.inference.atomic_write import atomic_write
from service.screening.verdict import ModelRef

_BOM: Final = "\ufeff"
_CUT_BOM: Final = "\N{REPLACEMENT CHARACTER}"
"""How one of which only the first bytes were written is read."""


class ResumableTable:
    """The rows of one CSV file. The file is not changed before ``begin``.

    Args:
        path: The file; it need not exist, but its folder must.
        columns: The columns for the model that is used.

    Raises:
        CommandError: The file cannot be written, another run is writing it, it is not a table of
            this program, or it is the table of another model.
    """

    def __init__(self, path: Path, columns: Columns) -> None:
        self._name = printable_path(path)
        self._path = path.resolve()  # a link stays a link
        self._columns = columns
        self._complete = True  # holds no partial row
        try:
            self._file = _open(self._path)
        except OSError as error:
            raise self._cannot_write(error) from error
        try:
            self._check_file()
            self._rows = {row.path: row for row in self._read()}
        except OSError as error:
            self._file.close()
            raise self._cannot_write(error) from error
        except CommandError:
            self._file.close()
            raise

    @property
    def rows(self) -> Mapping[str, Row]:
        """The rows that the file held when it was opened, by path."""
        return self._rows

    def begin(self, *, drop: Collection[str]) -> None:
        """Prepare the file for more rows.

        Args:
            drop: Paths whose rows are removed because they will be written again.
        """
        try:
            if drop or not self._complete:
                self._rewrite(drop)
            if os.fstat(self._file.fileno()).st_size == 0:
                _write_text(self._file, _BOM + _line(self._columns.header))
        except OSError as error:
            raise self._cannot_write(error) from error

    def append(self, outcome: Outcome) -> None:
        """Add a row. Once this returns, the row survives the end of this process."""
        try:
            _write_text(self._file, _line(self._columns.cells(outcome)))
        except OSError as error:
            raise self._cannot_write(error) from error

    def close(self) -> None:
        """Flush the rows to disk and close the file."""
        try:
            with self._file:
                os.fsync(self._file.fileno())
        except OSError as error:
            raise self._cannot_write(error) from error

    def _check_file(self) -> None:
        if not stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
            raise CommandError(f"{self._name} is not a regular file. For a pipe, use --json.")
        busy = CommandError(f"Another run is writing {self._name}.")
        if not _lock(self._file):
            raise busy
        # The run that held the lock until now may have replaced the file.
        if not os.path.samestat(os.fstat(self._file.fileno()), self._path.stat()):
            raise busy

    def _read(self) -> Iterator[Row]:
        lines = self._lines()
        head = next(lines, None)
        expected = _line(self._columns.header)
        if head is None or (not head.endswith("\n") and expected.startswith(head.strip(_CUT_BOM))):
            self._complete = head is None  # the run was killed before its first row
            return
        header = _cells(head)
        if not (head.endswith("\n") and is_header(header)):
            raise CommandError(
                f"{self._name} is not a table written by this program. Choose another file."
            )
        for number, line in enumerate(lines, start=2):
            if not line.endswith("\n"):
                self._complete = False
                break
            row = read_row(header, _cells(line))
            if row is None:
                raise CommandError(
                    f"Line {number} of {self._name} is not a row written by this program. "
                    "Correct that line or choose another file."
                )
            self._check_model(row.model)
            yield row
        if tuple(header) != self._columns.header:
            raise CommandError(
                f"{self._name} has the columns of another model. Choose another file."
            )

    def _lines(self) -> Iterator[str]:
        with self._path.open(encoding="utf-8", errors="replace", newline="\n") as file:
            for number, line in enumerate(file):
                yield line.removeprefix(_BOM) if number == 0 else line

    def _check_model(self, found: ModelRef) -> None:
        ours = self._columns.model
        if found.digest != ours.digest:
            raise CommandError(
                f"{self._name} was written with {_describe(found)}, but the current model is "
                f"{_describe(ours)}. A table holds the verdicts of one model: choose another file, "
                "or that model with --models."
            )

    def _rewrite(self, drop: Collection[str]) -> None:
        """Replace the file with one that holds only the complete rows to keep."""
        with ExitStack() as on_error:
            with atomic_write(self._path) as temporary:
                replacement = on_error.enter_context(_open(temporary))
                _lock(replacement)
                for number, line in enumerate(self._lines()):
                    if line.endswith("\n") and (number == 0 or _cells(line)[0] not in drop):
                        _write_text(replacement, line if number else _BOM + line)
                shutil.copymode(self._path, temporary)
            on_error.pop_all()  # the replacement stays open
        self._file.close()
        self._file = replacement

    def _cannot_write(self, error: OSError) -> CommandError:
        return CommandError(f"Cannot write {self._name}: {error.strerror or error}.")


def _open(path: Path) -> FileIO:
    # Without O_NONBLOCK, opening a named pipe would block until its other end opens.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
    # FileIO is unbuffered: each write reaches the operating system at once.
    return FileIO(os.open(path, flags, 0o666), "ab")


def _lock(file: FileIO) -> bool:
    """Lock a file for this process; False if another process has locked it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # this file system has no locks
    return True


def _write_text(file: FileIO, text: str) -> None:
    remaining = memoryview(text.encode())
    while remaining:
        remaining = remaining[file.write(remaining) :]


def _line(cells: Collection[str]) -> str:
    buffer = StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue()


def _cells(line: str) -> list[str]:
    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return []


def _describe(model: ModelRef) -> str:
    return f"{model.name} {model.version} ({model.digest})"
