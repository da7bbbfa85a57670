"""DICOM files of drawn chests: a radiograph as a CR or DX unit, or a poor exporter, writes it."""

import io
from typing import Any

import numpy as np
from PIL import Image
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian

from tests.phantom import phantom

STUDY = "1.2.826.0.1.3680043.8.498.1"
SERIES = f"{STUDY}.2"
INSTANCE = f"{STUDY}.2.3"

PATIENT: dict[str, Any] = {
    "SpecificCharacterSet": "ISO_IR 100",
    "PatientName": "Núñez^Ana",
    "PatientID": "7-301",
    "PatientBirthDate": "20220304",
    "PatientSex": "F",
    "StudyDate": "20260301",
    "StudyTime": "091500",
    "AccessionNumber": "A-17",
    "ReferringPhysicianName": "Doe^Jane",
    "StudyID": "S1",
    "StudyDescription": "Tórax PA",
    "PatientAge": "004Y",
}


def header_of(dataset: Dataset) -> Dataset:
    """Add what every DICOM file of these tests has."""
    dataset.SOPClassUID = ComputedRadiographyImageStorage
    dataset.SOPInstanceUID = INSTANCE
    dataset.StudyInstanceUID = STUDY
    dataset.SeriesInstanceUID = SERIES
    dataset.Modality = "CR"
    dataset.BodyPartExamined = "CHEST"
    dataset.ViewPosition = "PA"
    return dataset


def dicom(
    picture: Image.Image | None = None, without: tuple[str, ...] = (), **elements: Any
) -> bytes:
    """Write a radiograph as a DICOM file.

    Args:
        picture: Greyscale; the phantom by default.
        without: Keywords of elements that are left out.
        elements: Others than the usual ones.
    """
    pixels = np.asarray(picture or phantom(1), dtype=np.uint8)
    made = header_of(Dataset())
    for keyword, value in (PATIENT | elements).items():
        setattr(made, keyword, value)
    made.Rows, made.Columns = pixels.shape
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 8, 8, 7, 0
    made.PixelData = pixels.tobytes() + bytes(pixels.size % 2)
    for keyword in without:
        delattr(made, keyword)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    buffer = io.BytesIO()
    complete = {"SOPClassUID", "SOPInstanceUID"}.isdisjoint(without)
    made.preamble = bytes(128)
    dcmwrite(buffer, made, enforce_file_format=complete)
    return buffer.getvalue()


def written(dataset: Dataset) -> bytes:
    """A dataset as a file, as it is sent or stored."""
    buffer = io.BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def read_back(dataset: Dataset) -> Dataset:
    """A dataset after it was written and read again."""
    return dcmread(io.BytesIO(written(dataset)))
