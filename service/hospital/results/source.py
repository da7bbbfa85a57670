"""What a result takes from the DICOM file that it is about: whose it is, and which image."""

import hashlib
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final, Self

from pydicom import DataElement, Dataset, config
from pydicom.charset import python_encoding
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.uid import (
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSNearLossless,
    SecondaryCaptureImageStorage,
)

from service.hospital.results.uids import derived_uid, is_uid
from service.imaging.dicom import read_header

PATIENT: Final = (
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientBirthTime",
    "PatientSex",
    "OtherPatientNames",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
)
"""Of the Patient Module."""

STUDY: Final = (
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
    "StudyDescription",
    "StudyID",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
)
"""Of the General Study and Patient Study Modules; the UID is copied apart."""

REQUIRED: Final = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
    "StudyID",
)
"""Must be there, and may be empty (type 2)."""

_LAYOUTS: Final = {
    "AS": re.compile(r"[0-9]{3}[DWMY]"),
    "DS": re.compile(r"(?=.{1,16}$)[0-9]+(\.[0-9]+)?"),
    "TM": re.compile(r"([01][0-9]|2[0-3])([0-5][0-9]([0-5][0-9](\.[0-9]{1,6})?)?)?"),
}
_LOSSY: Final = {
    "LossyImageCompressionRatio": _LAYOUTS["DS"],
    "LossyImageCompressionMethod": re.compile(r"[A-Z0-9_ ]{1,16}"),
}
_UNREADABLE: Final = (ArithmeticError, LookupError, NotImplementedError, TypeError, ValueError)
"""What pydicom raises for a value that is not what its type says, or a type that there is not."""

_SEXES: Final = frozenset({"M", "F", "O"})
_LOSSY_SYNTAXES: Final = frozenset({JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless})

# By default pydicom and highdicom warn and log of values that break a rule, and quote them: these
# may be a patient's.
config.settings.reading_validation_mode = config.IGNORE
config.settings.writing_validation_mode = config.IGNORE
for name in ("pydicom", "highdicom"):
    logging.getLogger(name).setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Source:
    """The image that a result is about. It is never printed: it names a patient.

    Attributes:
        patient: The elements of ``PATIENT`` and ``STUDY`` that the file has, as it has them, and
            those of ``REQUIRED``, empty where the file lacks them or no reader could parse them.
        study_uid: Of its study.
        series_uid: Of its series.
        sop_class_uid: What kind of object it is.
        sop_uid: Its own.
        rows: Height of the stored picture, in pixels.
        columns: Its width.
        character_set: The file's Specific Character Set if that is a single one, else empty.
        orientation: Directions of rows and columns; empty if the file does not say.
        burned_in: Whether text in the picture may identify the patient. ``True`` unless the file
            denies it.
        lossy: Elements on lossy compression; empty if there was none.
    """

    patient: Dataset
    study_uid: str
    series_uid: str
    sop_class_uid: str
    sop_uid: str
    rows: int
    columns: int
    character_set: str
    orientation: tuple[str, ...]
    burned_in: bool
    lossy: Dataset

    @classmethod
    def of(cls, data: bytes, root: str) -> Self:
        """Read the header of a DICOM file that was decoded before.

        Args:
            data: The file.
            root: Under which identifiers are made that the file lacks.
        """
        header = read_header(data)
        digest = hashlib.sha256(data).hexdigest()
        return cls(
            patient=_patient(header),
            study_uid=_uid(header, "StudyInstanceUID") or derived_uid(root, "study", digest),
            series_uid=_uid(header, "SeriesInstanceUID") or derived_uid(root, "series", digest),
            sop_class_uid=_uid(header, "SOPClassUID") or SecondaryCaptureImageStorage,
            sop_uid=_uid(header, "SOPInstanceUID") or derived_uid(root, "image", digest),
            rows=int(header.Rows),
            columns=int(header.Columns),
            character_set=_single(header, "SpecificCharacterSet", python_encoding),
            orientation=_orientation(header),
            burned_in=_text(header, "BurnedInAnnotation") != "NO",
            lossy=_lossy(header),
        )


def put(dataset: Dataset, keyword: str, value: object) -> None:
    """Set an element to a value of the source, valid or not: identities are copied, not judged."""
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise ValueError(f"Expected a keyword of the data dictionary. Received: {keyword}")
    dataset.add(DataElement(tag, dictionary_VR(tag), value, validation_mode=config.IGNORE))


def _patient(header: Dataset) -> Dataset:
    patient = Dataset()
    for keyword in (*PATIENT, *STUDY):
        text = _text(header, keyword)
        if text and _is_sound(keyword, text):
            put(patient, keyword, text)
        elif keyword in REQUIRED:
            put(patient, keyword, None)
    return patient


def _is_sound(keyword: str, text: str) -> bool:
    """Whether readers can parse the value: a broken date makes whole studies unreadable."""
    kind = dictionary_VR(keyword)
    if keyword == "PatientSex":
        return text in _SEXES
    if kind in _LAYOUTS:
        return _LAYOUTS[kind].fullmatch(text) is not None
    return kind != "DA" or _is_date(text)


def _is_date(text: str) -> bool:
    try:
        return len(text) == 8 and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _text(header: Dataset, keyword: str) -> str:
    """A value as text; several are joined as the standard joins them."""
    try:
        value = header.get(keyword)
    except _UNREADABLE:
        value = None
    if value is None:
        return ""
    parts: Iterable[object] = value if _is_several(value) else (value,)
    return "\\".join(str(part) for part in parts).strip(" \0")


def _is_several(value: object) -> bool:
    return (
        isinstance(value, Iterable)
        and not isinstance(value, (str, bytes))
        and not hasattr(value, "family_name")
    )


def _uid(header: Dataset, keyword: str) -> str:
    text = _text(header, keyword)
    return text if is_uid(text) else ""


def _single(header: Dataset, keyword: str, known: Iterable[str]) -> str:
    text = _text(header, keyword)
    return text if text in known else ""


def _orientation(header: Dataset) -> tuple[str, ...]:
    parts = tuple(_text(header, "PatientOrientation").split("\\"))
    sound = len(parts) == 2 and all(re.fullmatch("[ALRHFP]{1,3}", part) for part in parts)
    return parts if sound else ()


def _lossy(header: Dataset) -> Dataset:
    lossy = Dataset()
    syntax = header.file_meta.get("TransferSyntaxUID")
    if _text(header, "LossyImageCompression") == "01" or syntax in _LOSSY_SYNTAXES:
        put(lossy, "LossyImageCompression", "01")
        for keyword, sound in _LOSSY.items():
            text = _text(header, keyword)
            if text and all(sound.fullmatch(part) for part in text.split("\\")):
                put(lossy, keyword, text)
    return lossy
