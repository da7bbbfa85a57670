"""DICOM objects for tests, made of drawn chests."""

import io

import numpy as np
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    ExplicitVRLittleEndian,
    generate_uid,
)

from tests.phantom import phantom

ROOT = "1.2.826.0.1.3680043.10.1563."


def film_uid(number: int) -> str:
    """SOP Instance UID of a film."""
    return generate_uid(ROOT, entropy_srcs=["film", str(number)])


def study_uid(number: int) -> str:
    """Study Instance UID of a film."""
    return generate_uid(ROOT, entropy_srcs=["study", str(number)])


def film(
    number: int = 0, *, sop_class: str = ComputedRadiographyImageStorage, **elements: object
) -> bytes:
    """The file of a CR image in a study of its own; another number is another patient.

    Args:
        number: Names patient, study and image.
        sop_class: Its SOP Class UID.
        elements: More elements by keyword, which may replace others.
    """
    made = Dataset()
    made.SOPClassUID = sop_class
    made.SOPInstanceUID = film_uid(number)
    made.StudyInstanceUID = study_uid(number)
    made.SeriesInstanceUID = generate_uid(ROOT, entropy_srcs=["series", str(number)])
    made.PatientName = f"Planted^Patient{number}"
    made.PatientID = f"PLANTED{number:04d}"
    made.PatientBirthDate = "20210314"
    made.PatientSex = "F"
    made.PatientAge = "003Y"
    made.StudyDate = made.SeriesDate = made.ContentDate = "20240501"
    made.StudyTime = made.ContentTime = "101500"
    made.AccessionNumber = f"ACC{number}"
    made.ReferringPhysicianName = ""
    made.StudyID = "1"
    made.SeriesNumber = 1
    made.InstanceNumber = 1
    made.Modality = "CR"
    made.Manufacturer = "Drawn"
    made.BodyPartExamined = "CHEST"
    made.ViewPosition = "AP"
    made.PatientOrientation = ["L", "F"]
    made.BurnedInAnnotation = "NO"
    pixels = np.asarray(phantom(number))
    made.SamplesPerPixel = 1
    made.PhotometricInterpretation = "MONOCHROME2"
    made.Rows, made.Columns = pixels.shape
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit = 7
    made.PixelRepresentation = 0
    made.PixelData = pixels.tobytes()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    made.file_meta = FileMetaDataset()
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    buffer = io.BytesIO()
    dcmwrite(buffer, made, enforce_file_format=True)
    return buffer.getvalue()


def dataset_of(data: bytes) -> Dataset:
    """Read a file."""
    return dcmread(io.BytesIO(data))
