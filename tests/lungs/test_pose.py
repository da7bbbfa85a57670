"""What is found in a picture that was put right lies where it belongs in the picture received."""

import numpy as np
import pytest
from PIL import Image

from service.imaging import Radiograph, extent
from service.lungs import AS_RECEIVED, POSES, Pose, find_lungs, segmentation_input
from tests.lungs.drawn import as_probabilities, ellipse
from tests.phantom import phantom

UNEVEN = ellipse(0.3, 0.4, 0.14, 0.25) | ellipse(0.7, 0.45, 0.15, 0.3)


def test_there_are_eight_poses_and_the_first_is_that_of_the_file() -> None:
    assert len(set(POSES)) == 8
    assert POSES[0] == AS_RECEIVED == Pose(0, inverted=False)


@pytest.mark.parametrize("pose", POSES)
def test_a_square_is_posed_like_the_picture_it_was_made_of(pose: Pose) -> None:
    radiograph = Radiograph(phantom(1, size=(384, 192)), "PNG", "")
    posed = pose.radiograph(radiograph)
    expected = segmentation_input(posed, 96)
    np.testing.assert_allclose(pose.square(segmentation_input(radiograph, 96)), expected, atol=0.01)
    assert (posed.width, posed.height) == pose.size(384, 192)


@pytest.mark.parametrize("turns", range(4))
def test_lungs_are_laid_back(turns: int) -> None:
    """A film is turned clockwise; in the pose that undoes it, the lungs are found as they were."""
    upright = find_lungs(as_probabilities(UNEVEN), 400, 300)
    assert upright is not None
    pose = Pose(turns)
    width, height = pose.size(400, 300)  # of the turned film
    back = pose.field_back(upright, width, height)
    turned = np.rot90(UNEVEN, -turns)
    assert np.array_equal(back.mask, turned)
    assert np.array_equal(back.left, np.rot90(upright.left, -turns))
    columns, rows = (np.flatnonzero(turned.any(axis=axis)) for axis in (0, 1))
    cells = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    np.testing.assert_allclose(back.box, np.divide(cells, len(turned)), atol=1e-9)
    scaled = np.multiply(back.box, (width, height, width, height))
    np.testing.assert_allclose(back.box_px, scaled, atol=1)


@pytest.mark.parametrize("turns", range(4))
def test_maps_are_laid_back(turns: int) -> None:
    maps = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    received = np.stack([np.rot90(each, -turns) for each in maps])
    assert np.array_equal(Pose(turns).maps_back(maps), received)


@pytest.mark.parametrize("turns", range(4))
def test_a_reduced_picture_stays_within_itself(turns: int) -> None:
    """Of 401 x 301 pixels, decoded at a half, the last column and row are half empty."""
    reduced = Radiograph(Image.new("L", (201, 151)), "JPEG", "", (401, 301))
    posed = Pose(turns).radiograph(reduced)
    width, height = extent(posed)
    assert width <= posed.picture.width
    assert height <= posed.picture.height
    assert (posed.width, posed.height) == pytest.approx(Pose(turns).size(401, 301), abs=1)


def test_inverting_swaps_black_and_white() -> None:
    radiograph = Radiograph(phantom(2), "PNG", "")
    negative = Pose(inverted=True).radiograph(radiograph)
    assert np.array_equal(negative.pixels, 255 - radiograph.pixels)
