"""DICOM files made by pydicom, which the service does not read them with."""

import io
import warnings
from typing import Any, Final

import imagecodecs
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom import config
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders.base import RLELosslessEncoder
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from tests.phantom import phantom

NATIVE: Final = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
)
LOSSLESS: Final = (RLELossless, JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless)

# pydicom's opinion of a value that a test makes wrong on purpose.
warnings.filterwarnings("ignore", module=r"pydicom\.")


def stored_phantom(
    bits: int, *, signed: bool = False, size: tuple[int, int] = (96, 80)
) -> NDArray[Any]:
    """A drawn chest as samples of so many bits: shape (rows, columns), uint8, uint16 or int16."""
    levels = np.asarray(phantom(3, size)).astype(np.int64)
    # Each grey level becomes several samples, so that lost low bits are noticed.
    noise = np.random.default_rng(1).integers(0, 1 << max(bits - 8, 0), levels.shape)
    samples = (levels << bits >> 8) + noise
    if signed:
        samples -= 1 << (bits - 1)
    kind = (np.int8 if signed else np.uint8) if bits <= 8 else (np.int16 if signed else np.uint16)
    return samples.astype(kind)


def data_set(samples: NDArray[Any], bits: int, **elements: Any) -> Dataset:
    """A computed radiograph of some samples, without its pixels."""
    dataset = Dataset()
    usual: dict[str, Any] = {
        "SOPClassUID": ComputedRadiographyImageStorage,
        "SOPInstanceUID": generate_uid(),
        "Modality": "CR",
        "BodyPartExamined": "CHEST",
        "ViewPosition": "PA",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": samples.shape[0],
        "Columns": samples.shape[1],
        "BitsAllocated": 8 * samples.dtype.itemsize,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(samples.dtype.kind == "i"),
    }
    with config.disable_value_validation():
        for keyword, value in (usual | elements).items():
            setattr(dataset, keyword, value)
    return dataset


def dicom_file(
    samples: NDArray[Any],
    bits: int | None = None,
    syntax: UID = ExplicitVRLittleEndian,
    **elements: Any,
) -> bytes:
    """A DICOM file of some samples; ``elements`` are added, or replace the usual ones."""
    dataset = data_set(samples, bits or 8 * samples.dtype.itemsize, **elements)
    return written(dataset, samples, syntax)


def written(dataset: Dataset, samples: NDArray[Any], syntax: UID) -> bytes:
    """A data set and its samples as a file."""
    if syntax.is_encapsulated:
        return encoded_as(_compressed(dataset, samples, syntax), dataset, syntax)
    big = syntax == ExplicitVRBigEndian
    dataset.PixelData = samples.astype(samples.dtype.newbyteorder(">" if big else "<")).tobytes()
    dataset.PixelData += b"\0" * (len(dataset.PixelData) % 2)
    dataset["PixelData"].VR = "OW"
    return _file(dataset, syntax)


def encoded_as(frame: bytes | None, dataset: Dataset, syntax: UID) -> bytes:
    """A data set and a compressed frame as a file; None where it holds its fragments already."""
    if frame is not None:
        dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].is_undefined_length = True
    dataset["PixelData"].VR = "OB"
    return _file(dataset, syntax)


def _file(dataset: Dataset, syntax: UID) -> bytes:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    buffer = io.BytesIO()
    pydicom.dcmwrite(
        buffer,
        dataset,
        implicit_vr=syntax.is_implicit_VR,
        little_endian=syntax != ExplicitVRBigEndian,
        enforce_file_format=True,
    )
    return buffer.getvalue()


def _compressed(dataset: Dataset, samples: NDArray[Any], syntax: UID) -> bytes:
    unsigned = samples.view(samples.dtype.str.replace("i", "u"))
    bits = dataset.BitsStored
    if syntax == RLELossless:
        return RLELosslessEncoder.encode(
            samples,
            rows=samples.shape[0],
            columns=samples.shape[1],
            samples_per_pixel=dataset.SamplesPerPixel,
            number_of_frames=1,
            planar_configuration=0,
            bits_allocated=dataset.BitsAllocated,
            bits_stored=bits,
            pixel_representation=dataset.PixelRepresentation,
            photometric_interpretation=dataset.PhotometricInterpretation,
        )
    if dataset.PixelRepresentation:
        unsigned = unsigned & np.array((1 << bits) - 1, dtype=unsigned.dtype)
    match syntax:
        case x if x == JPEGLosslessSV1:
            return bytes(imagecodecs.ljpeg_encode(unsigned, bitspersample=bits))
        case x if x == JPEGLSLossless:
            return bytes(imagecodecs.jpegls_encode(unsigned))
        case x if x == JPEG2000Lossless:
            return bytes(
                imagecodecs.jpeg2k_encode(
                    samples, reversible=True, codecformat="j2k", bitspersample=bits, mct=False
                )
            )
        case x if x == JPEGExtended12Bit:
            return bytes(imagecodecs.jpeg8_encode(unsigned, level=95, bitspersample=12))
        case x if x == JPEGBaseline8Bit:
            return bytes(imagecodecs.jpeg8_encode(unsigned, level=95))
    raise AssertionError(syntax)
