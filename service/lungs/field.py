"""From the segmentation network's probabilities to the lungs: two masks, a box, a quality."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.imaging import Box, Radiograph, extent
from service.lungs.regions import Mask, label_regions

SEGMENTATION_SIDE: Final = 192
MARGIN: Final = 0.06

MIN_LUNG_SHARE: Final = 0.004
"""Least area of one lung, as a share of the frame. In 700 masks of children's films the smaller
lung had at least 0.06; padding to a square or a whole-body film makes it smaller."""

MIN_SECOND_LUNG: Final = 0.15
"""Least area of the smaller lung, as a share of the larger (at least 0.5 in those masks)."""

MIN_BOX_SIDE: Final = 0.12
"""Least width and height of the box, as shares of the frame (at least 0.53 in those masks)."""

ASPECTS: Final = (0.6, 3.5)
"""Width / height of a box that can hold two lungs, in true pixels (0.89 to 2.9 in those masks)."""

FILLS: Final = (0.2, 0.85)
"""Share of the box that the lungs can fill (0.34 to 0.71 in those masks)."""

_MIDDLE: Final = (0.3, 0.7)
"""Where in the box the gap between two lungs is looked for."""

DILATION: Final = 2
"""Cells by which the mask is widened on each side: the network's edge is uncertain."""


@dataclass(frozen=True, slots=True, eq=False)
class LungField:
    """Where the lungs are.

    Attributes:
        box: Around both lungs, without margin, as shares of the frame.
        box_px: The same in pixels of the file's upright picture: left, top, right, bottom, the last
            two exclusive.
        left: Mask of the patient's left lung, which a frontal film shows on the right. Shape
            (side, side) over the whole frame, bool.
        right: Mask of the patient's right lung.
        area_share: Area of both lungs as a share of the frame.
        quality: How sure the segmentation is: the mean of |2p - 1| over the dilated mask, from 0
            (p = 0.5 everywhere) to 1.
    """

    box: Box
    box_px: tuple[int, int, int, int]
    left: Mask
    right: Mask
    area_share: float
    quality: float

    @property
    def mask(self) -> Mask:
        """Both lungs: shape (side, side), bool."""
        return np.logical_or(self.left, self.right)

    @property
    def dilated(self) -> Mask:
        """Both lungs and a rim of two cells around them."""
        return dilate(self.mask)


def segmentation_input(
    radiograph: Radiograph, side: int = SEGMENTATION_SIDE
) -> NDArray[np.float32]:
    """Squash the whole frame to the square that the segmentation network takes.

    Returns:
        Shape (side, side, 1), float32 from 0 to 1. The network standardises it itself.
    """
    small = radiograph.picture.resize(
        (side, side), Image.Resampling.BOX, box=(0, 0, *extent(radiograph))
    )
    return (np.asarray(small, dtype=np.float32) / np.float32(255))[..., np.newaxis]


def find_lungs(
    probabilities: NDArray[np.float32], width: int, height: int, threshold: float = 0.5
) -> LungField | None:
    """Find both lungs in what the segmentation network gave.

    The two largest regions above the threshold are the lungs; one region that is wide enough for
    both is split where it is narrowest. An opaque lung gets lower probabilities: where only one
    lung is found, a second look is taken at half the threshold.

    Args:
        probabilities: Of lung, shape (side, side), over the whole frame.
        width: Of the file's upright picture, in pixels.
        height: Of the same.
        threshold: Probability above which a pixel is lung.

    Returns:
        The lungs, or None: there are no two, or their box cannot be that of a chest.
    """
    for level in (threshold, threshold / 2):
        lungs = _two_lungs(probabilities > level, width / height)
        if lungs is not None:
            return _field(lungs, probabilities, width, height)
    return None


def dilate(mask: Mask) -> Mask:
    """Widen a mask by ``DILATION`` cells in every direction, corners included."""
    rows, columns = mask.shape
    padded = np.pad(mask, DILATION)
    steps = range(2 * DILATION + 1)
    tall = np.logical_or.reduce([padded[step : step + rows] for step in steps])
    wide = np.logical_or.reduce([tall[:, step : step + columns] for step in steps])
    return np.asarray(wide)


def _two_lungs(mask: Mask, aspect: float) -> tuple[Mask, Mask] | None:
    """The lung on the left of the picture and that on the right."""
    labels, areas = label_regions(mask)
    order = np.argsort(areas)[::-1][:2].tolist()
    if areas[order[0]] < MIN_LUNG_SHARE * mask.size:
        return None
    first = labels == order[0]
    least = max(MIN_LUNG_SHARE * mask.size, MIN_SECOND_LUNG * areas[order[0]])
    if len(order) < 2 or areas[order[1]] < least:
        return _split(first, aspect)
    pair = (first, labels == order[1])
    one, other = (float(np.nonzero(part)[1].mean()) for part in pair)
    # Two regions one above the other are not two lungs.
    if not _can_be_a_chest(pair[0] | pair[1], aspect) or abs(one - other) < 0.1 * mask.shape[1]:
        return None
    return pair if one < other else pair[::-1]


def _split(mask: Mask, aspect: float) -> tuple[Mask, Mask] | None:
    """Part two lungs that touch, at the column with the fewest pixels."""
    if not _can_be_a_chest(mask, aspect):
        return None
    left, _, right, _ = _cells(mask)
    start, stop = (round(left + share * (right - left)) for share in _MIDDLE)
    counts = mask[:, start:stop].sum(axis=0)
    narrowest = np.flatnonzero(counts == counts.min())
    middle = (left + right) / 2 - start
    column = start + int(narrowest[np.abs(narrowest - middle).argmin()])
    on_the_left = np.arange(mask.shape[1]) < column
    parts = (mask & on_the_left, mask & ~on_the_left)
    smaller, larger = sorted(int(part.sum()) for part in parts)
    return parts if smaller >= MIN_SECOND_LUNG * larger else None


def _can_be_a_chest(mask: Mask, aspect: float) -> bool:
    left, top, right, bottom = _cells(mask)
    rows, columns = mask.shape
    width, height = (right - left) / columns, (bottom - top) / rows
    fill = mask.sum() / ((right - left) * (bottom - top))
    low, high = ASPECTS
    plausible = low <= aspect * width / height <= high and FILLS[0] <= fill <= FILLS[1]
    return bool(plausible and min(width, height) >= MIN_BOX_SIDE)


def _cells(mask: Mask) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a mask that is not empty; the last two are exclusive."""
    columns, rows = (np.flatnonzero(mask.any(axis=axis)) for axis in (0, 1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _field(
    lungs: tuple[Mask, Mask], probabilities: NDArray[np.float32], width: int, height: int
) -> LungField:
    both = lungs[0] | lungs[1]
    rows, columns = both.shape
    left, top, right, bottom = _cells(both)
    box = (left / columns, top / rows, right / columns, bottom / rows)
    certainty = np.abs(2 * probabilities[dilate(both)] - 1)
    return LungField(
        box=box,
        box_px=(
            int(box[0] * width),
            int(box[1] * height),
            int(np.ceil(box[2] * width)),
            int(np.ceil(box[3] * height)),
        ),
        left=lungs[1],
        right=lungs[0],
        area_share=float(both.mean()),
        quality=float(certainty.mean()),
    )
