"""The polygon of a mask encloses the mask."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from service.lungs import outline
from service.lungs.regions import Mask
from tests.lungs.drawn import SIDE, ellipse

SCALE = 8


def filled(mask: Mask) -> Mask:
    """The inside of the mask's outline, at the mask's cells."""
    rows, columns = mask.shape
    corners = [(x * columns * SCALE, y * rows * SCALE) for x, y in outline(mask)]
    picture = Image.new("1", (columns * SCALE, rows * SCALE))
    ImageDraw.Draw(picture).polygon(corners, fill=1)
    inside = np.asarray(picture).reshape(rows, SCALE, columns, SCALE).mean(axis=(1, 3))
    return np.asarray(inside > 0.5)


@pytest.mark.parametrize(
    "mask",
    [
        ellipse(0.5, 0.5, 0.3, 0.4),
        ellipse(0.1, 0.1, 0.3, 0.3),
        ellipse(0.3, 0.6, 0.2, 0.3) | ellipse(0.4, 0.3, 0.15, 0.2),
        ellipse(0.4, 0.5, 0.3, 0.3) & ~ellipse(0.6, 0.5, 0.2, 0.1),
        np.ones((SIDE, SIDE), bool),
    ],
    ids=["inside", "cut by the frame", "bulging", "notched", "all"],
)
def test_the_polygon_is_the_masks(mask: Mask) -> None:
    found = filled(mask)
    assert 2 * (found & mask).sum() / (found.sum() + mask.sum()) > 0.99


def test_few_corners_are_enough() -> None:
    corners = outline(ellipse(0.5, 0.5, 0.3, 0.4))
    assert 12 <= len(corners) <= 80
    assert len(set(corners)) == len(corners)


def test_corners_are_shares_of_the_frame_and_go_clockwise() -> None:
    corners = np.array(outline(ellipse(0.6, 0.4, 0.2, 0.3, side=64)))
    np.testing.assert_allclose(corners.min(axis=0), (0.4, 0.1), atol=0.02)
    np.testing.assert_allclose(corners.max(axis=0), (0.8, 0.7), atol=0.02)
    x, y = corners.T
    area = (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2
    assert area == pytest.approx(np.pi * 0.2 * 0.3, rel=0.03)


def test_only_the_largest_region_is_outlined_and_cells_that_meet_at_a_corner_are_two() -> None:
    mask = np.zeros((8, 8), bool)
    mask[1:4, 1:4] = True
    mask[4, 4] = True
    corners = np.array(outline(mask)) * 8
    assert corners.max() <= 4


def test_nothing_has_none() -> None:
    assert outline(np.zeros((5, 5), bool)) == ()
