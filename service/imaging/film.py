"""A radiograph without the even surround that a screenshot, a slide or padding put around it."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from service.imaging.decode import Radiograph
from service.imaging.surround import find_film

Box = tuple[float, float, float, float]
"""Left, top, right and bottom, as shares of a frame's width and height."""


@dataclass(frozen=True, slots=True, eq=False)
class Film:
    """What is to be judged of a file's picture, and where it is in it.

    Attributes:
        radiograph: The film alone: its size is the film's, in pixels of the file. The file's own
            radiograph where it has no surround.
        box: Where the film is in the file's upright picture.
    """

    radiograph: Radiograph
    box: Box = (0.0, 0.0, 1.0, 1.0)

    @property
    def is_whole(self) -> bool:
        """Whether the file's picture is nothing but the film."""
        return self.box == (0.0, 0.0, 1.0, 1.0)

    def in_frame(self, box: Box) -> Box:
        """A box given as shares of the film, as shares of the file's picture."""
        left, top, right, bottom = self.box
        width, height = right - left, bottom - top
        return (
            left + box[0] * width,
            top + box[1] * height,
            left + box[2] * width,
            top + box[3] * height,
        )

    def laid_back(self, maps: NDArray[np.float32]) -> NDArray[np.float32]:
        """Lay grids that cover the film into grids of like cells that cover the file's picture.

        Args:
            maps: Shape (..., h, w).

        Returns:
            Shape (..., H, W), with 0 around the film. The sum of each map stays what it was.
        """
        if self.is_whole:
            return maps
        left, top, right, bottom = self.box
        down = _spread(maps.shape[-2], top, bottom)
        across = _spread(maps.shape[-1], left, right)
        return np.asarray(down @ maps @ across.T, dtype=np.float32)


def film_of(radiograph: Radiograph) -> Film:
    """Find the film in a radiograph; see ``surround.find_film`` for what counts as a surround."""
    box = find_film(radiograph.picture)
    if box is None:
        return Film(radiograph)
    reduction = round(radiograph.width / radiograph.picture.width)
    left, top = box[0] * reduction, box[1] * reduction
    right = min(box[2] * reduction, radiograph.width)
    bottom = min(box[3] * reduction, radiograph.height)
    alone = replace(
        radiograph,
        picture=radiograph.picture.crop(box),
        full_size=None if radiograph.full_size is None else (right - left, bottom - top),
    )
    width, height = radiograph.width, radiograph.height
    return Film(alone, (left / width, top / height, right / width, bottom / height))


def _spread(cells: int, start: float, stop: float) -> NDArray[np.float32]:
    """How much of each of the film's cells each of the frame's holds: shape (frame's, film's)."""
    wanted = max(1, round(cells / (stop - start)))
    inner = np.linspace(start, stop, cells + 1) * wanted
    lower, upper = inner[:-1], inner[1:]
    cell = np.arange(wanted)[:, None]
    overlap = np.minimum(upper, cell + 1) - np.maximum(lower, cell)
    return np.asarray(np.clip(overlap, 0, None) / (upper - lower), dtype=np.float32)
