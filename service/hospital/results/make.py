"""The results of one verdict as DICOM objects, in the study of the radiograph that it is about."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, Literal

from service.errors import NotDicomError
from service.hospital.results.uids import ANY_ROOT
from service.i18n import Language
from service.imaging.dicom.missing import not_installed
from service.imaging.formats import sniff_format
from service.inference import Bundle
from service.screening.explanation import Explanation, Unexplained

if TYPE_CHECKING:
    from pydicom import Dataset

Kind = Literal["sr", "pdf", "sc", "seg"]

KINDS: Final[tuple[Kind, ...]] = ("sr", "pdf", "sc", "seg")
"""Structured report, encapsulated PDF, secondary capture, segmentation of both lungs."""


@dataclass(frozen=True, slots=True)
class ResultOptions:
    """What the operator decides about results.

    Attributes:
        uid_root: Root of every UID that is made.
        language: Of all texts.
        kinds: What is made, in the order of ``KINDS``.
    """

    uid_root: str = ANY_ROOT
    language: Language = "en"
    kinds: tuple[Kind, ...] = KINDS


def check_is_dicom(data: bytes) -> None:
    """Refuse a file of another format: results are for the patient and the study that it names.

    Raises:
        NotDicomError: It is something else. An empty file is left to whoever reads it.
    """
    if data and sniff_format(data) != "DICOM":
        raise NotDicomError(
            "DICOM results are filed under the patient and the study of a DICOM file, and this is "
            "none. Send the file from the X-ray unit or the PACS; /predict takes other images too."
        )


def results_of(
    source: bytes,
    result: Explanation | Unexplained,
    bundle: Bundle,
    options: ResultOptions,
    *,
    made_at: datetime,
    request_id: str = "",
) -> "list[Dataset]":
    """Make the results of one radiograph.

    Study, patient and accession are the source's. UIDs are derived from the source's own, the
    model, the version of this service, the language, the local prevalence and the kind: made again,
    they are the same.

    Args:
        source: The DICOM file, which ``Screening`` has read.
        result: What ``Screening.explain_if_possible`` gave for it.
        bundle: The bundle that was used.
        options: What the operator decides.
        made_at: Date and time to state, with time zone.
        request_id: Printed in the PDF; by default a part of the source's digest.

    Returns:
        Datasets with their file meta information, each ready for ``dcmwrite`` or a C-STORE. A
        segmentation only if the bundle finds the lungs.

    Raises:
        UnsupportedFormatError: The extra ``dicom`` is not installed.
    """
    if find_spec("highdicom") is None:
        raise not_installed("DICOM results are written by highdicom")
    # pydicom and highdicom are slow to import, and optional.
    from service.hospital.results.capture import secondary_capture
    from service.hospital.results.case import Case
    from service.hospital.results.encapsulated import encapsulated_pdf
    from service.hospital.results.segments import segmentation
    from service.hospital.results.source import Source
    from service.hospital.results.structured import structured_report

    makers: dict[Kind, Callable[[Case], Dataset | None]] = {
        "sr": structured_report,
        "pdf": encapsulated_pdf,
        "sc": secondary_capture,
        "seg": segmentation,
    }
    case = Case(
        source=Source.of(source, options.uid_root),
        result=result,
        bundle=bundle,
        options=options,
        made_at=made_at,
        request_id=request_id or result.verdict.image.sha256[:16],
    )
    made = (makers[kind](case) for kind in KINDS if kind in options.kinds)
    return [each for each in made if each is not None]


def as_file(result: "Dataset") -> bytes:
    """A result as the bytes of a DICOM file, with preamble and file meta information."""
    from pydicom import dcmwrite

    buffer = io.BytesIO()
    dcmwrite(buffer, result, enforce_file_format=True)
    return buffer.getvalue()
