"""The secondary capture shows what the web page shows, and the verdict in words."""

import dataclasses

import numpy as np
from PIL import Image

from service.screening.overlay import overlay
from tests.dicom_files import INSTANCE, dicom
from tests.explaining import explanation, unexplained
from tests.hospital.results.making import RESULT, made


def test_above_the_words_it_is_the_radiograph_with_its_map() -> None:
    pixels = made(kinds=("sc",))["OT"].pixel_array
    shown = overlay(RESULT)
    shown = shown.resize((640, round(shown.height * 640 / shown.width)), Image.Resampling.BICUBIC)
    assert np.array_equal(pixels[: shown.height], np.asarray(shown))


def test_without_a_map_it_is_the_radiograph_alone() -> None:
    for result in (unexplained(), dataclasses.replace(explanation(), lungs=None)):
        pixels = made(result=result, kinds=("sc",))["OT"].pixel_array
        assert pixels.shape[1:] == (640, 3)


def test_the_words_fit_and_are_not_empty() -> None:
    pixels = made(language="es", kinds=("sc",))["OT"].pixel_array
    words = pixels[512:]
    assert words.max() == 255
    assert not words[:, -6:].any()
    assert not words[-6:].any()


def test_it_is_a_derived_picture_of_the_source() -> None:
    result = made(language="en", kinds=("sc",))["OT"]
    assert list(result.ImageType) == ["DERIVED", "SECONDARY"]
    [source] = result.SourceImageSequence
    assert source.ReferencedSOPInstanceUID == INSTANCE
    assert "Not verified" in result.ImageComments
    assert (result.PhotometricInterpretation, result.Modality) == ("RGB", "OT")


def test_what_the_source_says_of_its_picture_is_said_again() -> None:
    source = dicom(
        BurnedInAnnotation="NO",
        PatientOrientation=["L", "F"],
        LossyImageCompression="01",
        LossyImageCompressionRatio="12.5",
        LossyImageCompressionMethod="ISO_10918_1",
    )
    result = made(source, kinds=("sc",))["OT"]
    assert result.BurnedInAnnotation == "NO"
    assert list(result.PatientOrientation) == ["L", "F"]
    assert result.LossyImageCompression == "01"
    assert result.LossyImageCompressionRatio == 12.5
    assert made(kinds=("sc",))["OT"].BurnedInAnnotation == "YES"
