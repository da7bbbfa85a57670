"""Screens one file. Whatever is wrong with it becomes its outcome and affects no other file."""

import hashlib
import logging
from pathlib import Path

from service.cli.errors import CommandError
from service.cli.files import UnreadableFileError, read_file
from service.cli.outcome import Failure, Outcome, Row
from service.cli.reports import ReportFolder
from service.errors import OutOfMemoryError, ServiceError
from service.screening.screen import Screening
from service.screening.verdict import Verdict

log = logging.getLogger(__name__)


class FileScreening:
    """Screens files. Safe to use from several threads.

    Args:
        screening: The use case.
        max_bytes: Largest file that is read.
        reports: Where to write a report of each radiograph; None for no reports.
    """

    def __init__(
        self, screening: Screening, *, max_bytes: int, reports: ReportFolder | None
    ) -> None:
        self._screening = screening
        self._max_bytes = max_bytes
        self._reports = reports

    def screen(self, name: str, path: Path) -> Outcome:
        """Read and screen a file and write its report.

        Args:
            name: The path as ``printable_path`` writes it.
            path: The file.

        Raises:
            CommandError: The report cannot be written.
        """
        return Outcome(name, self._result(path))

    def is_current(self, path: Path, row: Row) -> bool:
        """Whether a row is the verdict on the file's current content, and its report exists."""
        if not row.sha256 or (self._reports and not self._reports.contains(path, row.sha256)):
            return False
        try:
            data = read_file(path, max_bytes=self._max_bytes)
        except UnreadableFileError:
            return False
        return hashlib.sha256(data).hexdigest() == row.sha256

    def _result(self, path: Path) -> Verdict | Failure:
        try:
            data = read_file(path, max_bytes=self._max_bytes)
            if self._reports is None:
                return self._screening.screen(data)
            return self._reports.write(path, self._screening.explain_if_possible(data))
        except CommandError:
            raise
        except (ServiceError, UnreadableFileError) as error:
            return Failure(error.code, error.message)
        except MemoryError:
            return Failure(OutOfMemoryError.code, "There was not enough memory for this file.")
        except Exception as error:
            # A bug must not cost the other files their verdicts.
            log.exception("Unexpected error")
            return Failure("internal_error", f"Unexpected error: {type(error).__name__}.")
