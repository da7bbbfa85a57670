"""The CSV of a run: written row by row, read again by the next run, and never taken from others.

A row is handed to the system as soon as its file is done, so that a process that is killed loses
nothing done. It may leave half a row, which the next run removes.
"""

import csv
import fcntl
import os
import shutil
import stat
from collections.abc import Collection, Iterator, Mapping
from io import FileIO, StringIO
from pathlib import Path

from service.cli.names import shown
from service.cli.outcome import Columns, Outcome, Row, is_header, read_row
from service.cli.refusing import CannotError
from service.screening.verdict import ModelRef


class Ledger:
    """The rows of one CSV. Nothing in the file is changed before ``begin``.

    Args:
        path: The file; it need not exist, but its folder must.
        columns: Those of the bundle that answers.

    Raises:
        CannotError: The file cannot be written, another run writes it, it is no table of ours, or
            another model's.
    """

    def __init__(self, path: Path, columns: Columns) -> None:
        self._name = shown(path)
        self._path = path.resolve()  # a link stays one: what it leads to is written
        self._columns = columns
        self._sound = True  # holds nothing but whole rows
        try:
            self._file = _opened(self._path)
        except OSError as error:
            raise self._cannot_write(error) from error
        try:
            self._check_file()
            self._rows = {row.path: row for row in self._read()}
        except OSError as error:
            self._file.close()
            raise self._cannot_write(error) from error
        except CannotError:
            self._file.close()
            raise

    @property
    def rows(self) -> Mapping[str, Row]:
        """What the file held at first, by path."""
        return self._rows

    def begin(self, *, drop: Collection[str]) -> None:
        """Make the file ready for further rows.

        Args:
            drop: Paths whose rows are removed, for they will be written anew.
        """
        try:
            if drop or not self._sound:
                self._rewrite(drop)
            if os.fstat(self._file.fileno()).st_size == 0:
                _write(self._file, self._columns.header)
        except OSError as error:
            raise self._cannot_write(error) from error

    def append(self, outcome: Outcome) -> None:
        """Add a row; when this returns, it outlives this process."""
        try:
            _write(self._file, self._columns.cells(outcome))
        except OSError as error:
            raise self._cannot_write(error) from error

    def close(self) -> None:
        """Have the rows outlive the machine as well, and let go of the file."""
        try:
            with self._file:
                os.fsync(self._file.fileno())
        except OSError as error:
            raise self._cannot_write(error) from error

    def _check_file(self) -> None:
        if not stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
            raise CannotError(f"{self._name} is not a regular file; --json writes to a pipe.")
        busy = CannotError(f"Another run is writing {self._name} at this moment.")
        if not _locked(self._file):
            raise busy
        # The run that held the lock until now may have put another file in this one's place.
        if not os.path.samestat(os.fstat(self._file.fileno()), self._path.stat()):
            raise busy

    def _read(self) -> Iterator[Row]:
        lines = self._lines()
        head = next(lines, None)
        expected = _line(self._columns.header)
        if head is None or (not head.endswith("\n") and expected.startswith(head)):
            self._sound = head is None  # begun and killed before its first row
            return
        header = _cells(head)
        if not (head.endswith("\n") and is_header(header)):
            raise CannotError(
                f"{self._name} is not a table that this program wrote, and is left as it is. "
                "Name another file."
            )
        for number, line in enumerate(lines, start=2):
            if not line.endswith("\n"):
                self._sound = False
                break
            row = read_row(header, _cells(line))
            if row is None:
                raise CannotError(
                    f"Line {number} of {self._name} is not a row that this program wrote; the "
                    "file is left as it is. Mend that line or name another file."
                )
            self._check_model(row.model)
            yield row
        if tuple(header) != self._columns.header:
            raise CannotError(
                f"{self._name} has the columns of another model; it is left as it is. "
                "Name another file."
            )

    def _lines(self) -> Iterator[str]:
        with self._path.open(encoding="utf-8", errors="replace", newline="\n") as file:
            for number, line in enumerate(file):
                yield line.removeprefix("\ufeff") if number == 0 else line

    def _check_model(self, found: ModelRef) -> None:
        ours = self._columns.model
        if found.digest != ours.digest:
            raise CannotError(
                f"{self._name} was written by {_named(found)}, and the model that would go on is "
                f"{_named(ours)}. A table holds one model's answers: name another file, or use "
                "that model with --models."
            )

    def _rewrite(self, drop: Collection[str]) -> None:
        """Replace the file, in one step, by one that holds the rows to keep."""
        temporary = self._path.with_name(f".{self._path.name}.tmp")
        temporary.unlink(missing_ok=True)
        replacement = _opened(temporary)
        try:
            _locked(replacement)
            for number, line in enumerate(self._lines()):
                if line.endswith("\n") and (number == 0 or _cells(line)[0] not in drop):
                    _write_text(replacement, line)
            os.fsync(replacement.fileno())
            shutil.copymode(self._path, temporary)
            temporary.replace(self._path)
        except BaseException:
            replacement.close()
            temporary.unlink(missing_ok=True)
            raise
        self._file.close()
        self._file = replacement

    def _cannot_write(self, error: OSError) -> CannotError:
        return CannotError(f"{self._name} cannot be written: {error.strerror or error}.")


def _opened(path: Path) -> FileIO:
    # Without O_NONBLOCK, opening a named pipe would wait for its other end for ever.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
    # Unbuffered: what is written is the system's at once.
    return FileIO(os.open(path, flags, 0o666), "ab")


def _locked(file: FileIO) -> bool:
    """Lock a file for this process, or tell that another has."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # this file system has no locks
    return True


def _write(file: FileIO, cells: Collection[str]) -> None:
    _write_text(file, _line(cells))


def _write_text(file: FileIO, text: str) -> None:
    rest = memoryview(text.encode())
    while rest:
        rest = rest[file.write(rest) :]


def _line(cells: Collection[str]) -> str:
    buffer = StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue()


def _cells(line: str) -> list[str]:
    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return []


def _named(model: ModelRef) -> str:
    return f"{model.name} {model.version} ({model.digest})"
