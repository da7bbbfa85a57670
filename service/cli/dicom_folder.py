"""Writes the DICOM results of each DICOM file of a run."""

from datetime import datetime
from pathlib import Path

from service.cli.reports import DIGEST_DIGITS, make_folder, write_result
from service.hospital.results import KINDS, Kind, ResultOptions, as_file, results_of
from service.imaging.formats import sniff_format
from service.inference import Bundle
from service.screening.explanation import Explanation, Unexplained


class DicomFolder:
    """A folder of DICOM results. Safe to use from several threads.

    Args:
        folder: Created if it does not exist.
        bundle: The model bundle that is used.
        options: UIDs and language.

    Raises:
        CommandError: The folder cannot be created or written to.
    """

    def __init__(self, folder: Path, bundle: Bundle, options: ResultOptions) -> None:
        self._folder = folder
        self._bundle = bundle
        self._options = options
        make_folder(folder)

    @staticmethod
    def is_for(data: bytes) -> bool:
        """Whether a file gets results: an image of another format names no patient and study."""
        return sniff_format(data) == "DICOM"

    def contains(self, path: Path, sha256: str) -> bool:
        """Whether the results of a file with this content exist: the report is written last."""
        return self._target(path, sha256, "sr").is_file()

    def write(self, path: Path, data: bytes, result: Explanation | Unexplained) -> None:
        """Write the results of a file.

        Args:
            path: The file; only its name is used, in the names of the results.
            data: Its content.
            result: What was found in it.

        Raises:
            CommandError: A result cannot be written.
            UnsupportedFormatError: The extra ``dicom`` is not installed.
        """
        made = results_of(
            data, result, self._bundle, self._options, made_at=datetime.now().astimezone()
        )
        kinds = [kind for kind in KINDS if kind in self._options.kinds]
        for kind, each in reversed(list(zip(kinds, made, strict=False))):
            write_result(self._target(path, result.verdict.image.sha256, kind), as_file(each))

    def _target(self, path: Path, sha256: str, kind: Kind) -> Path:
        return self._folder / f"{path.stem}-{sha256[:DIGEST_DIGITS]}-{kind}.dcm"
