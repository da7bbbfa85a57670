"""DICOM objects and pixels that are no radiograph, named for the person who sent one."""

from typing import Final

from service.imaging.dicom.dataset import DicomFile
from service.imaging.errors import UnsupportedFormatError

_STORAGE: Final = "1.2.840.10008.5.1.4.1.1."
_KINDS: Final = (
    ("1.2.840.10008.1.3.10", "a DICOMDIR, a list of other files"),
    (f"{_STORAGE}104.", "a DICOM file that holds a document, such as a PDF"),
    (f"{_STORAGE}88.", "a DICOM structured report"),
    (f"{_STORAGE}9.", "a DICOM waveform, such as an ECG"),
    (f"{_STORAGE}11.", "a DICOM presentation state"),
    (f"{_STORAGE}66.", "a DICOM object of measurements or regions"),
    (f"{_STORAGE}481.", "a DICOM object of radiotherapy"),
    (f"{_STORAGE}77.1.2.1", "a DICOM video"),
    (f"{_STORAGE}77.1.4.1", "a DICOM video"),
    (f"{_STORAGE}77.1.1.1", "a DICOM video"),
    (f"{_STORAGE}68.", "a DICOM object of surfaces"),
)
_VIDEO_SYNTAX: Final = "1.2.840.10008.1.2.4.10"
"""How the UIDs of MPEG-2, MPEG-4 and HEVC begin."""


def name_kind(file: DicomFile) -> str | None:
    """Name an object that is known not to be a still picture."""
    if file.transfer_syntax.startswith(_VIDEO_SYNTAX):
        return "a DICOM video"
    return next((name for start, name in _KINDS if file.stored_class.startswith(start)), None)


def no_picture(name: str | None) -> UnsupportedFormatError:
    """The answer to a DICOM file that holds no still picture."""
    error = UnsupportedFormatError(
        f"The file is {name or 'a DICOM file without pixels'}, which holds no radiograph. "
        "Send the DICOM file of the radiograph itself."
    )
    error.text_key = "no_picture"
    return error
