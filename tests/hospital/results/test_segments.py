"""The lungs lie on the source image where they lie in its film, however it was turned or framed."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from service.screening.explanation import Explanation
from service.screening.overlay import as_png
from tests.dicom_files import INSTANCE, dicom
from tests.hospital.results.making import made
from tests.screening.test_gate import film, screening

SCREENING = screening()


def masks(picture: Image.Image, stored: Image.Image | None = None) -> NDArray[np.bool_]:
    """Left and right lung in the segmentation of a picture; ``stored`` is what the file holds."""
    result = SCREENING.explain(as_png(picture))
    assert isinstance(result, Explanation)
    found = made(dicom(stored or picture), result, kinds=("seg",))["SEG"]
    return np.asarray(found.pixel_array, dtype=np.bool_)


def overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """The Dice coefficient."""
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def test_there_is_a_frame_for_each_lung_of_the_size_of_the_source() -> None:
    left, right = masks(film())
    assert left.shape == (512, 640)
    assert not (left & right).any()
    # The patient's left is on the right of a frontal film.
    assert np.nonzero(left)[1].min() > np.nonzero(right)[1].max()


def test_the_lungs_are_where_the_film_is_dark() -> None:
    pixels = np.asarray(film(), dtype=np.float64)
    left, right = masks(film())
    around = pixels[150:300, 60:580].mean()
    assert pixels[left].mean() < around
    assert pixels[right].mean() < around
    assert 0.05 < left.mean() < 0.3


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_of_a_turned_film_they_are_turned(turns: int) -> None:
    turned = film().rotate(90 * turns, expand=True)
    for upright, found in zip(masks(film()), masks(turned), strict=True):
        assert overlap(np.rot90(upright, turns), found) > 0.9


def test_in_a_surround_they_are_within_it() -> None:
    framed = ImageOps.expand(film(), (200, 100, 60, 40), fill=0)
    for upright, found in zip(masks(film()), masks(framed), strict=True):
        assert found.shape == (512 + 140, 640 + 260)
        assert overlap(upright, found[100:612, 200:840]) > 0.9
        assert found[100:612, 200:840].sum() == found.sum()


def test_a_source_with_more_pixels_than_were_looked_at_is_covered_whole() -> None:
    large = film().resize((1920, 1536))
    for small, found in zip(masks(film()), masks(film(), large), strict=True):
        assert overlap(small.repeat(3, axis=0).repeat(3, axis=1), found) > 0.97


def test_its_segments_are_coded() -> None:
    result = made(language="en", kinds=("seg",))["SEG"]
    sides = {1: ("Left lung", "7771000"), 2: ("Right lung", "24028007")}
    for segment in result.SegmentSequence:
        label, side = sides.pop(segment.SegmentNumber)
        [kind] = segment.SegmentedPropertyTypeCodeSequence
        [modifier] = kind.SegmentedPropertyTypeModifierCodeSequence
        assert segment.SegmentLabel == label
        assert (kind.CodingSchemeDesignator, kind.CodeValue) == ("SCT", "39607008")
        assert (modifier.CodingSchemeDesignator, modifier.CodeValue) == ("SCT", side)
        assert segment.SegmentAlgorithmType == "AUTOMATIC"
    assert not sides


def test_each_frame_refers_to_the_source_pixel_for_pixel() -> None:
    for frame in made(kinds=("seg",))["SEG"].PerFrameFunctionalGroupsSequence:
        [source] = frame.DerivationImageSequence[0].SourceImageSequence
        assert source.ReferencedSOPInstanceUID == INSTANCE
        assert source.SpatialLocationsPreserved == "YES"


def test_it_says_how_the_source_was_compressed() -> None:
    given: dict[str, Any] = {
        "LossyImageCompression": "01",
        "LossyImageCompressionRatio": "12.5",
        "LossyImageCompressionMethod": "ISO_10918_1",
    }
    result = made(dicom(**given), kinds=("seg",))["SEG"]
    assert result.LossyImageCompression == "01"
    assert result.LossyImageCompressionMethod == "ISO_10918_1"


def test_without_lungs_there_is_none() -> None:
    result = dataclasses.replace(SCREENING.explain(as_png(film())), lungs=None)
    assert "SEG" not in made(result=result, kinds=("sr", "seg"))
