"""Writes a PDF report of each radiograph of a run."""

import os
import uuid
from datetime import datetime
from pathlib import Path
from typing import Final

from service.cli.errors import CommandError
from service.cli.files import printable_path
from service.i18n import Language
from service.inference import Bundle
from service.inference.atomic_write import atomic_write
from service.report import make_report
from service.screening.explanation import Explanation, Unexplained
from service.screening.verdict import Verdict

DIGEST_DIGITS: Final = 12
"""How much of the image's digest is in the report's name: two folders may hold equal file names."""


class ReportFolder:
    """A folder of reports. Safe to use from several threads.

    Args:
        folder: Created if it does not exist.
        bundle: The model bundle that is used.
        language: Language of the reports.

    Raises:
        CommandError: The folder cannot be created or written to.
    """

    def __init__(self, folder: Path, bundle: Bundle, language: Language) -> None:
        self._folder = folder
        self._bundle = bundle
        self._language = language
        make_folder(folder)

    def contains(self, path: Path, sha256: str) -> bool:
        """Whether the report of a file with this content exists."""
        return self._target(path, sha256).is_file()

    def write(self, path: Path, result: Explanation | Unexplained) -> Verdict:
        """Write the report of a file.

        Args:
            path: The file; only its name is used, in the name of the report.
            result: What was found in it.

        Returns:
            The verdict in the report.

        Raises:
            CommandError: The report cannot be written.
        """
        page = make_report(
            result,
            self._bundle,
            lang=self._language,
            request_id=uuid.uuid4().hex,
            made_at=datetime.now().astimezone(),
        )
        target = self._target(path, result.verdict.image.sha256)
        write_result(target, page)
        return result.verdict

    def _target(self, path: Path, sha256: str) -> Path:
        return self._folder / f"{path.stem}-{sha256[:DIGEST_DIGITS]}.pdf"


def make_folder(folder: Path) -> None:
    """Make sure that there is a folder which results can be written to.

    Raises:
        CommandError: It cannot be created or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK)
    except OSError as error:
        raise CommandError(
            f"Cannot create the folder {printable_path(folder)}: {error.strerror}."
        ) from error
    if not writable:
        raise CommandError(f"Cannot write to the folder {printable_path(folder)}.")


def write_result(target: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        CommandError: It cannot be written.
    """
    try:
        with atomic_write(target) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise CommandError(f"Cannot write {printable_path(target)}: {error.strerror}.") from error
