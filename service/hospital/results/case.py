"""One verdict and its source, and what all DICOM objects made from them have in common."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydicom import Dataset
from pydicom.charset import python_encoding
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ComputedRadiographyImageStorage, ExplicitVRLittleEndian

from service import __version__
from service.hospital.results.make import Kind, ResultOptions
from service.hospital.results.source import REQUIRED, Source, put
from service.hospital.results.uids import ANY_ROOT, MANUFACTURER, derived_uid
from service.i18n import Texts, texts
from service.inference import Bundle
from service.screening.explanation import Explanation, Unexplained
from service.screening.verdict import Verdict

IMPLEMENTATION: Final = derived_uid(ANY_ROOT, MANUFACTURER, "implementation class")
"""Implementation Class UID; the same under every root, for it names the program."""

SERIES_NUMBERS: Final[dict[Kind, int]] = {"sr": 9001, "pdf": 9002, "sc": 9003, "seg": 9004}
"""High, so that viewers list results after the radiographs."""

LONG_STRING: Final = 64
"""Characters of a value of type LO."""

_UTF8: Final = "ISO_IR 192"
_TEXT_KINDS: Final = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Case:
    """What results are made from; the arguments of ``results_of``.

    Attributes:
        source: The radiograph's identity.
        result: The verdict, and what it was read from.
        bundle: The bundle that answered.
        options: What the operator decides.
        made_at: Date and time to state.
        request_id: Of the request.
    """

    source: Source
    result: Explanation | Unexplained
    bundle: Bundle
    options: ResultOptions
    made_at: datetime
    request_id: str

    @property
    def verdict(self) -> Verdict:
        """The verdict."""
        return self.result.verdict

    @property
    def texts(self) -> Texts:
        """Our texts in the operator's language."""
        return texts(self.options.language)["hospital"]

    def uid(self, *parts: str) -> str:
        """The UID of a part of the results of this source by this model."""
        local = self.verdict.local
        prevalence = "" if local is None else repr(local.prevalence)
        made_by = (self.verdict.model.digest, __version__, self.options.language, prevalence)
        return derived_uid(self.options.uid_root, self.source.sop_uid, *made_by, *parts)

    @property
    def uid_of_model(self) -> str:
        """The UID of the model as an observer: the same in all its results."""
        return derived_uid(self.options.uid_root, "observer", self.verdict.model.digest)

    @property
    def model_name(self) -> str:
        """Name and version of the model."""
        return f"{self.verdict.model.name} {self.verdict.model.version}"[:LONG_STRING]

    @property
    def device_serial(self) -> str:
        """The model's digest in hexadecimal, which is as long as a serial number may be."""
        return self.verdict.model.digest.removeprefix("sha256:")[:LONG_STRING]

    def reference(self) -> Dataset:
        """An item that refers to the source image."""
        item = Dataset()
        put(item, "ReferencedSOPClassUID", self.source.sop_class_uid)
        put(item, "ReferencedSOPInstanceUID", self.source.sop_uid)
        return item

    def stand_in(self) -> Dataset:
        """The source image without a patient, for libraries that copy, check and log identities."""
        image = Dataset()
        for keyword in REQUIRED:
            put(image, keyword, None)
        image.SOPClassUID = ComputedRadiographyImageStorage  # ``complete`` puts the true one
        put(image, "SOPInstanceUID", self.source.sop_uid)
        put(image, "StudyInstanceUID", self.source.study_uid)
        put(image, "SeriesInstanceUID", self.source.series_uid)
        image.Modality = "OT"
        image.Rows, image.Columns = self.source.rows, self.source.columns
        for element in self.source.lossy:
            image.add(element)
        return image

    def complete(self, made: Dataset, kind: Kind, modality: str) -> Dataset:
        """Give an object its identity: patient, study, series, equipment, UIDs, times, encoding.

        Args:
            made: Its content, with its SOP Class UID.
            kind: Which of the results it is.
            modality: Of its series.
        """
        for keyword in REQUIRED:
            put(made, keyword, None)
        for element in self.source.patient:
            made.add(element)
        put(made, "StudyInstanceUID", self.source.study_uid)
        made.SeriesInstanceUID = self.uid("series", kind)
        made.SeriesNumber = SERIES_NUMBERS[kind]
        made.SeriesDescription = self.texts[f"series.{kind}"]
        made.Modality = modality
        made.Manufacturer = MANUFACTURER
        made.ManufacturerModelName = self.model_name
        made.DeviceSerialNumber = self.device_serial
        made.SoftwareVersions = __version__
        made.SOPInstanceUID = self.uid("instance", kind)
        made.InstanceNumber = 1
        for role in ("Content", "InstanceCreation", "Series"):
            setattr(made, f"{role}Date", f"{self.made_at:%Y%m%d}")
            setattr(made, f"{role}Time", f"{self.made_at:%H%M%S}")
        self._refer(made)
        for library in made.get("ContributingEquipmentSequence", ()):
            library.ContributionDateTime = f"{self.made_at:%Y%m%d%H%M%S%z}"
        made.SpecificCharacterSet = _character_set(made, self.source.character_set)
        made.file_meta = _meta(made)
        return made

    def _refer(self, made: Dataset) -> None:
        """Put the source's class into all references to it: libraries know public ones only."""
        for element in made:
            if element.VR == "SQ":
                for each in element.value:
                    self._refer(each)
        if made.get("ReferencedSOPInstanceUID") == self.source.sop_uid:
            put(made, "ReferencedSOPClassUID", self.source.sop_class_uid)


def _meta(made: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = made.SOPClassUID
    meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION)
    meta.ImplementationVersionName = f"PNEUXRAY_{__version__}"[:16]
    return meta


def _character_set(made: Dataset, preferred: str) -> str:
    """The source's own set if it has every letter, else UTF-8."""
    codec = python_encoding.get(preferred)
    if not preferred or codec is None:
        return _UTF8
    try:
        for text in _all_texts(made):
            text.encode(codec)
    except UnicodeEncodeError:
        return _UTF8
    return preferred


def _all_texts(dataset: Dataset) -> Iterator[str]:
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield from _all_texts(item)
        elif element.VR in _TEXT_KINDS and element.value is not None:
            yield str(element.value)
