"""Screens one file. Whatever is wrong with it becomes its outcome and affects no other file."""

import hashlib
import logging
from pathlib import Path

from service.cli.dicom_folder import DicomFolder
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
        dicom: Where to write DICOM results of each DICOM file; None for none.
    """

    def __init__(
        self,
        screening: Screening,
        *,
        max_bytes: int,
        reports: ReportFolder | None,
        dicom: DicomFolder | None = None,
    ) -> None:
        self._screening = screening
        self._max_bytes = max_bytes
        self._reports = reports
        self._dicom = dicom

    def screen(self, name: str, path: Path) -> Outcome:
        """Read and screen a file and write its report and results.

        Args:
            name: The path as ``printable_path`` writes it.
            path: The file.

        Raises:
            CommandError: The report or a result cannot be written.
        """
        return Outcome(name, self._result(path))

    def is_current(self, path: Path, row: Row) -> bool:
        """Whether a row is the verdict on the file's current content, and its results exist."""
        if not row.sha256 or (self._reports and not self._reports.contains(path, row.sha256)):
            return False
        try:
            data = read_file(path, max_bytes=self._max_bytes)
        except UnreadableFileError:
            return False
        if self._dicom and self._dicom.is_for(data) and not self._dicom.contains(path, row.sha256):
            return False
        return hashlib.sha256(data).hexdigest() == row.sha256

    def _result(self, path: Path) -> Verdict | Failure:
        try:
            data = read_file(path, max_bytes=self._max_bytes)
            dicom = self._dicom if self._dicom and self._dicom.is_for(data) else None
            if self._reports is None and dicom is None:
                return self._screening.screen(data)
            result = self._screening.explain_if_possible(data)
            if dicom:
                dicom.write(path, data, result)
            return self._reports.write(path, result) if self._reports else result.verdict
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
