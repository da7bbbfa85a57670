"""One file to one outcome: whatever is wrong with it is said, and no other file suffers from it."""

import hashlib
import logging
from pathlib import Path

from service.cli.files import UnreadableFileError, read
from service.cli.outcome import Failure, Outcome, Row
from service.cli.refusing import CannotError
from service.cli.reports import Reports
from service.errors import ModelUnavailableError, OutOfMemoryError, RefusalError
from service.imaging import ImagingError
from service.inference import BundleError
from service.screening.screen import Screening
from service.screening.verdict import Verdict

log = logging.getLogger(__name__)


class FileScreening:
    """Screens files by the service's use case. Safe to use from several threads.

    Args:
        screening: The use case.
        max_bytes: Largest file that is read.
        reports: Where to put a PDF of each radiograph, if that is wanted.
    """

    def __init__(self, screening: Screening, *, max_bytes: int, reports: Reports | None) -> None:
        self._screening = screening
        self._max_bytes = max_bytes
        self._reports = reports

    def screen(self, name: str, path: Path) -> Outcome:
        """Read and screen a file and write its report.

        Args:
            name: The path as ``names.shown`` writes it.
            path: The file.

        Raises:
            CannotError: The report cannot be written.
        """
        return Outcome(name, self._result(path))

    def is_done(self, path: Path, row: Row) -> bool:
        """Tell whether a row is the verdict on the file as it is now, and its report is there."""
        if not row.sha256 or (self._reports and not self._reports.exists(path, row.sha256)):
            return False
        try:
            data = read(path, max_bytes=self._max_bytes)
        except UnreadableFileError:
            return False
        return hashlib.sha256(data).hexdigest() == row.sha256

    def _result(self, path: Path) -> Verdict | Failure:
        try:
            data = read(path, max_bytes=self._max_bytes)
            if self._reports is None:
                return self._screening.screen(data)
            return self._reports.write(path, self._screening.explain_if_possible(data))
        except CannotError:
            raise
        except (ImagingError, RefusalError, UnreadableFileError) as error:
            return Failure(error.code, error.message)
        except BundleError as error:  # a network gave no probability for this very image
            return Failure(ModelUnavailableError.code, error.message)
        except MemoryError:
            return Failure(OutOfMemoryError.code, "There was not enough memory for this file.")
        except Exception as error:
            # A bug, which must not cost the other files their verdicts.
            log.exception("An unforeseen error")
            return Failure("internal_error", f"An unforeseen error: {type(error).__name__}.")
