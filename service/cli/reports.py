"""One PDF for each radiograph of a run."""

import os
import uuid
from datetime import datetime
from pathlib import Path
from typing import Final

from service.cli.names import shown
from service.cli.refusing import CannotError
from service.i18n import Language
from service.inference import Bundle
from service.report import make_report
from service.screening.explanation import Explanation, Unexplained
from service.screening.verdict import Verdict

_DIGITS: Final = 12
"""Of the image's digest in the name of its report: files of one name in two folders have two."""


class Reports:
    """Writes reports into a folder. Safe to use from several threads.

    Args:
        folder: Made if it is not there.
        bundle: The one that answers.
        language: Of the reports.

    Raises:
        CannotError: The folder cannot be made or written to.
    """

    def __init__(self, folder: Path, bundle: Bundle, language: Language) -> None:
        self._folder = folder
        self._bundle = bundle
        self._language = language
        try:
            folder.mkdir(parents=True, exist_ok=True)
            writable = os.access(folder, os.W_OK | os.X_OK)
        except OSError as error:
            raise CannotError(f"{shown(folder)} cannot be made: {error.strerror}.") from error
        if not writable:
            raise CannotError(f"Nothing may be written into {shown(folder)}.")

    def exists(self, path: Path, sha256: str) -> bool:
        """Tell whether the report of a file with this content is there."""
        return self._target(path, sha256).is_file()

    def write(self, path: Path, result: Explanation | Unexplained) -> Verdict:
        """Make the report of a file and put it into the folder, whole or not at all.

        Args:
            path: The file; its name, and no other part of it, is in the report's.
            result: What was found in it.

        Returns:
            The verdict that the report tells.

        Raises:
            CannotError: The report cannot be written.
        """
        page = make_report(
            result,
            self._bundle,
            lang=self._language,
            request_id=uuid.uuid4().hex,
            made_at=datetime.now().astimezone(),
        )
        target = self._target(path, result.verdict.image.sha256)
        temporary = target.with_name(f".{uuid.uuid4().hex}.tmp")
        try:
            temporary.write_bytes(page)
            temporary.replace(target)
        except OSError as error:
            raise CannotError(f"{shown(target)} cannot be written: {error.strerror}.") from error
        finally:
            temporary.unlink(missing_ok=True)
        return result.verdict

    def _target(self, path: Path, sha256: str) -> Path:
        return self._folder / f"{path.stem}-{sha256[:_DIGITS]}.pdf"
