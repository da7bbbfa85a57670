"""Letters that were burned into a film: bright, small, in a line."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from service.imaging import Box, Radiograph, extent
from service.lungs.regions import label_regions

SIDE: Final = 512
"""Pixels of the film's longer side, at which letters are looked for."""

MIN_LEVEL: Final = 200
MIN_RISE: Final = 70
"""Grey level of a letter's pixels, and how far it rises above the mean of its surroundings."""

_SURROUNDINGS: Final = 10
_HEIGHTS: Final = (4, 36)
"""Pixels of a letter's height."""

_WIDEST: Final = 2.0
"""Width of a letter, in heights: two may touch."""

_FARTHEST: Final = 1.5
"""Gap between two letters of a line, in heights."""

Ints = NDArray[np.int64]


def longest_line(radiograph: Radiograph, box: Box) -> int:
    """How many letters the longest line of text has.

    Args:
        radiograph: Upright grey levels.
        box: Where to look, as shares of the frame; what lies beyond the frame is left out.
    """
    width, height = extent(radiograph)
    left, top, right, bottom = (min(max(share, 0.0), 1.0) for share in box)
    cut = (left * width, top * height, right * width, bottom * height)
    scale = SIDE / max(width, height)
    size = [max(1, round(scale * (cut[i + 2] - cut[i]))) for i in (0, 1)]
    small = radiograph.picture.resize(
        (size[0], size[1]), Image.Resampling.BOX, cut, reducing_gap=1.0
    )
    # Of so many pixels, a quarter gives the same mean.
    around = small.reduce(2).filter(ImageFilter.BoxBlur(_SURROUNDINGS / 2))
    around = around.resize(small.size, Image.Resampling.NEAREST)
    levels, mean = (np.asarray(each, dtype=np.int16) for each in (small, around))
    bright = (levels >= MIN_LEVEL) & (levels - mean >= MIN_RISE)
    return _longest_chain(*_letters(_trimmed(bright))) if bright.any() else 0


def _trimmed(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Without the rows and columns around all that is set, which are most of a film's."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _letters(mask: NDArray[np.bool_]) -> tuple[Ints, Ints, Ints, Ints]:
    """Left, top, right and bottom of the regions that may be letters, from left to right."""
    labels, areas = label_regions(mask)
    rows, columns = np.nonzero(labels)
    region = labels[rows, columns]
    low, high = (np.full((2, len(areas)), fill, dtype=np.int64) for fill in (1 << 30, 0))
    for axis, places in enumerate((columns, rows)):
        np.minimum.at(low[axis], region, places)
        np.maximum.at(high[axis], region, places + 1)
    width, height = high - low
    shaped = (height >= _HEIGHTS[0]) & (height <= _HEIGHTS[1]) & (width <= _WIDEST * height)
    kept = np.flatnonzero(shaped & (areas > 0))
    kept = kept[np.argsort(low[0][kept], kind="stable")]
    return low[0][kept], low[1][kept], high[0][kept], high[1][kept]


def _longest_chain(left: Ints, top: Ints, right: Ints, bottom: Ints) -> int:
    """Most regions that follow each other to the right, alike in height and on one baseline."""
    height = bottom - top
    lengths = np.ones(len(left), dtype=np.int64)
    for place in range(1, len(left)):
        taller = np.maximum(height[:place], height[place])
        gap = left[place] - right[:place]
        follows = (
            (gap >= -1)
            & (gap <= _FARTHEST * taller)
            & (np.minimum(height[:place], height[place]) >= taller / 2)
            & (np.abs(bottom[:place] - bottom[place]) <= 0.3 * taller)
        )
        lengths[place] = 1 + max(lengths[:place][follows], default=0)
    return int(lengths.max(initial=0))
