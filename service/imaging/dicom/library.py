"""A DICOM header as pydicom's data set, for what writes DICOM; nothing here decodes pixels."""

import logging
import warnings
from io import BytesIO
from typing import TYPE_CHECKING, Final

from service.imaging.dicom.dataset import DicomFile, open_file, rebuilt
from service.imaging.dicom.missing import not_installed
from service.imaging.errors import CorruptImageError, ImagingError
from service.imaging.formats import sniff_format

if TYPE_CHECKING:
    from pydicom import Dataset

MAX_VALUE_BYTES: Final = 65_536
"""Largest element or sequence that is kept."""

MAX_HEADER_BYTES: Final = 1_000_000
"""Most bytes that all kept elements have together; what comes after is left out."""

_PIXEL_GROUP: Final = 0x7FE0
_OVERLAYS: Final = range(0x6000, 0x6100)


def read_header(data: bytes) -> "Dataset":
    """Read a DICOM file without its pixels, overlays and largest elements.

    Args:
        data: The whole file, with or without preamble and meta header.

    Returns:
        The data set; its ``file_meta`` has the transfer syntax, where the file gives it. It holds
        identifiers of the patient: none of it belongs into a log, metric or error.

    Raises:
        CorruptImageError: It is no DICOM file, or a broken one.
        UnsupportedFormatError: pydicom is not installed.
    """
    try:
        from pydicom.dataset import FileMetaDataset
        from pydicom.filereader import read_dataset
        from pydicom.uid import UID
    except ImportError:
        raise not_installed("DICOM headers are read by pydicom") from None
    _silence()
    if sniff_format(data) != "DICOM":
        raise _damaged()
    try:
        file = open_file(data)
        encoding = file.main.walk.encoding
        dataset = read_dataset(
            BytesIO(_kept(file)),
            is_implicit_VR=not encoding.explicit,
            is_little_endian=encoding.order == "<",
        )
    except (ImagingError, MemoryError):
        raise
    except Exception as error:
        raise _damaged() from error
    dataset.file_meta = FileMetaDataset()
    if file.transfer_syntax:
        dataset.file_meta.TransferSyntaxUID = UID(file.transfer_syntax)
    return dataset


def _damaged() -> CorruptImageError:
    return CorruptImageError(
        "The DICOM file is damaged or incomplete. Export or copy it again, then resend it."
    )


def _kept(file: DicomFile) -> bytes:
    left = MAX_HEADER_BYTES
    kept = []
    for element in file.main.found.values():
        size = element.stop - element.start
        group = element.tag >> 16
        if group == _PIXEL_GROUP or group in _OVERLAYS or size > min(left, MAX_VALUE_BYTES):
            continue
        left -= size
        kept.append(element)
    return rebuilt(file, kept)


def _silence() -> None:
    """Keep pydicom from quoting what it reads: a warning of its repeats the value at fault."""
    from pydicom import config

    config.settings.reading_validation_mode = config.IGNORE
    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)


warnings.filterwarnings("ignore", module=r"pydicom\.")
