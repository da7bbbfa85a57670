"""One drawn chest in every way of storing it is one and the same picture.

The reference is pydicom's: its modality and VOI functions, applied to the samples that were stored.
"""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
from pydicom.uid import UID, JPEGExtended12Bit

from service.imaging import decode
from tests.dicom_samples import LOSSLESS, NATIVE, data_set, stored_phantom, written


def shadings(bits: int, *, signed: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """Ways from samples to grey levels, by name."""
    low = -(1 << (bits - 1)) if signed else 0
    middle, wide = low + (1 << bits) * 0.4, (1 << bits) * 0.7
    window = {"WindowCenter": [middle, 1], "WindowWidth": [wide, 1]}
    yield "window", window
    yield "exact window", window | {"VOILUTFunction": "LINEAR_EXACT"}
    yield "sigmoid window", window | {"VOILUTFunction": "SIGMOID"}
    yield "narrow window", {"WindowCenter": middle, "WindowWidth": 1}
    rescaled = {"WindowCenter": middle * 0.5 - 300, "WindowWidth": wide * 0.5}
    yield "rescaled", rescaled | {"RescaleSlope": 0.5, "RescaleIntercept": -300}
    yield (
        "modality table",
        {
            "ModalityLUTSequence": [table(1 << bits, low, 16, signed=signed)],
            "WindowCenter": 20000,
            "WindowWidth": 30000,
        },
    )
    yield "VOI table", {"VOILUTSequence": [table(1 << (bits - 1), low + 3, 12, signed=signed)]}


def table(size: int, first: int, bits: int, *, signed: bool) -> Dataset:
    item = Dataset()
    ramp = np.linspace(0, 1, size) ** 1.5 * ((1 << bits) - 1)
    item.add_new(0x00283002, "SS" if signed else "US", [min(size, 32767), first, bits])
    item.add_new(0x00283006, "US", ramp.astype(int)[:32767].tolist())
    return item


def reference(samples: NDArray[Any], dataset: Dataset) -> NDArray[np.float64]:
    """Grey levels by pydicom."""
    values = apply_modality_lut(samples.astype(np.int32), dataset)
    shown = apply_voi_lut(values, dataset).astype(np.float64)
    if "VOILUTSequence" in dataset:
        low, high = 0.0, 2.0 ** dataset.VOILUTSequence[0].LUTDescriptor[2] - 1
    elif "ModalityLUTSequence" in dataset:
        low, high = 0.0, 2.0 ** dataset.ModalityLUTSequence[0].LUTDescriptor[2] - 1
    else:
        half = 2 ** (dataset.BitsStored - 1)
        low, high = (-half, half - 1) if dataset.PixelRepresentation else (0, 2 * half - 1)
        slope, intercept = dataset.get("RescaleSlope", 1), dataset.get("RescaleIntercept", 0)
        low, high = low * float(slope) + float(intercept), high * float(slope) + float(intercept)
    shares = (shown - low) / (high - low)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        shares = 1 - shares
    return np.asarray(np.clip(shares * 255, 0, 255))


@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("syntax", [*NATIVE, *LOSSLESS], ids=lambda uid: uid.name)
def test_it_is_what_pydicom_shows(syntax: UID, bits: int, *, signed: bool) -> None:
    samples = stored_phantom(bits, signed=signed)
    for name, elements in shadings(bits, signed=signed):
        for photometric in ("MONOCHROME1", "MONOCHROME2"):
            dataset = data_set(samples, bits, PhotometricInterpretation=photometric, **elements)
            expected = reference(samples, dataset)
            pixels = decode(written(dataset, samples, syntax)).pixels
            # Equal but for what lies halfway between two grey levels.
            assert np.abs(pixels - expected).max() <= 0.5 + 1e-6, (name, photometric)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_12_bit_jpeg_is_what_libjpeg_decodes(photometric: str) -> None:
    samples = stored_phantom(12)
    dataset = data_set(
        samples,
        12,
        PhotometricInterpretation=photometric,
        WindowCenter=1800,
        WindowWidth=3000,
    )
    data = written(dataset, samples, JPEGExtended12Bit)
    [frame] = generate_frames(dcmread(BytesIO(data)).PixelData, number_of_frames=1)
    expected = reference(imagecodecs.jpeg8_decode(frame), dataset)
    assert np.abs(decode(data).pixels - expected).max() <= 0.5 + 1e-6
