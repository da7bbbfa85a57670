"""The lungs are found where they were drawn, and not where there are none."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from service.imaging import Radiograph
from service.lungs import find_lungs, segmentation_input
from service.lungs.field import dilate
from tests.lungs.drawn import SIDE, as_probabilities, ellipse, two_lungs
from tests.phantom import phantom


def test_two_lungs_are_found_with_their_box() -> None:
    mask = two_lungs()
    field = find_lungs(as_probabilities(mask), 1000, 800)
    assert field is not None
    np.testing.assert_allclose(field.box, (0.15, 0.2, 0.85, 0.8), atol=1 / SIDE)
    left, top, right, bottom = field.box_px
    np.testing.assert_allclose((left, top, right, bottom), (150, 160, 850, 640), atol=6)
    assert np.array_equal(field.mask, mask)
    assert field.area_share == pytest.approx(mask.mean())


def test_the_patients_left_lung_is_on_the_right_of_the_picture() -> None:
    field = find_lungs(as_probabilities(two_lungs()), 500, 500)
    assert field is not None
    assert np.nonzero(field.left)[1].min() > np.nonzero(field.right)[1].max()
    assert not (field.left & field.right).any()


def test_specks_are_no_lungs() -> None:
    mask = two_lungs()
    field = find_lungs(as_probabilities(mask | ellipse(0.05, 0.05, 0.02, 0.02)), 500, 500)
    assert field is not None
    assert np.array_equal(field.mask, mask)


def test_lungs_that_touch_are_parted_where_they_are_narrowest() -> None:
    mask = two_lungs(apart=0.16)
    mask[SIDE // 2 - 4 : SIDE // 2 + 4, SIDE // 4 : 3 * SIDE // 4] = True
    field = find_lungs(as_probabilities(mask), 500, 500)
    assert field is not None
    assert np.array_equal(field.mask, mask)
    assert field.left.sum() == pytest.approx(field.right.sum(), rel=0.02)
    assert np.nonzero(field.left)[1].min() == SIDE // 2


def test_an_opaque_lung_is_found_at_the_second_look() -> None:
    clear, opaque = ellipse(0.3, 0.5, 0.15, 0.3), ellipse(0.7, 0.5, 0.15, 0.3)
    probabilities = as_probabilities(clear)
    probabilities[opaque] = 0.3
    field = find_lungs(probabilities, 500, 500)
    assert field is not None
    assert np.array_equal(field.left, opaque)
    assert np.array_equal(field.right, clear)


@pytest.mark.parametrize(
    ("mask", "width", "height"),
    [
        (np.zeros((SIDE, SIDE), bool), 500, 500),
        (np.ones((SIDE, SIDE), bool), 500, 500),
        (ellipse(0.5, 0.5, 0.02, 0.02), 500, 500),
        (ellipse(0.3, 0.5, 0.12, 0.35), 500, 500),
        (ellipse(0.5, 0.3, 0.1, 0.15) | ellipse(0.5, 0.7, 0.1, 0.15), 500, 500),
        (two_lungs(), 200, 2000),
        (two_lungs(apart=0.04, rx=0.03, ry=0.08), 500, 500),
        (two_lungs(apart=0.45, rx=0.03, ry=0.4), 500, 500),
    ],
    ids=[
        "empty",
        "all",
        "speck",
        "one lung",
        "one above the other",
        "too narrow",
        "too small",
        "hollow",
    ],
)
def test_what_cannot_be_a_chest_is_none(
    mask: np.ndarray[tuple[int, int], np.dtype[np.bool_]], width: int, height: int
) -> None:
    assert find_lungs(as_probabilities(mask), width, height) is None


def test_quality_falls_with_the_certainty() -> None:
    sure, unsure = (find_lungs(as_probabilities(two_lungs(), p), 500, 500) for p in (1.0, 0.75))
    assert sure is not None
    assert unsure is not None
    assert sure.quality == pytest.approx(1)
    assert unsure.quality == pytest.approx(0.5)


def test_the_dilated_mask_is_two_cells_wider() -> None:
    field = find_lungs(as_probabilities(two_lungs()), 500, 500)
    assert field is not None
    rows, wider = (np.flatnonzero(mask.any(axis=1)) for mask in (field.mask, field.dilated))
    assert (wider[0], wider[-1]) == (rows[0] - 2, rows[-1] + 2)


def test_the_segmentation_sees_the_whole_frame_as_a_square() -> None:
    picture = Image.new("L", (400, 200))
    picture.paste(255, (200, 0, 400, 200))
    tensor = segmentation_input(Radiograph(picture, "PNG", ""), 64)
    assert tensor.shape == (64, 64, 1)
    assert tensor.dtype == np.float32
    assert np.array_equal(tensor[0, :, 0], np.repeat([0, 1], 32))


def test_the_input_is_the_same_whatever_the_reduction() -> None:
    whole = phantom(1, (801, 641))
    reduced = Radiograph(whole.reduce(2), "JPEG", "", full_size=whole.size)
    apart = segmentation_input(Radiograph(whole, "PNG", "")) - segmentation_input(reduced)
    assert np.abs(apart).max() < 0.04


def test_dilation_is_that_of_a_maximum_filter() -> None:
    mask = two_lungs(apart=0.34, ry=0.5)
    filtered = Image.fromarray(mask.astype(np.uint8)).filter(ImageFilter.MaxFilter(5))
    assert np.array_equal(dilate(mask), np.asarray(filtered) > 0)
