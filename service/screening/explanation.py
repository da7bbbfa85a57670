"""A verdict together with what it was read from: the radiograph, and where the networks looked."""

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.imaging import Box, Radiograph
from service.lungs import LungField, Mask, Point, outline
from service.screening.verdict import Verdict

WHOLE_FRAME: Final[Box] = (0.0, 0.0, 1.0, 1.0)


class Outline(NamedTuple):
    """The outline of one lung.

    Attributes:
        lung: The patient's left or right.
        points: Corners (x, y) of a closed polygon, as shares of the frame.
    """

    lung: Literal["left", "right"]
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True, eq=False)
class LungsOnFrame:
    """Where the lungs are in the file's picture.

    Attributes:
        field: The lungs, on the film.
        film: Where the film is in the picture, as shares of it.
    """

    field: LungField
    film: Box

    @property
    def outlines(self) -> tuple[Outline, ...]:
        """Of the patient's left and right lung."""
        return (self._outline("left", self.field.left), self._outline("right", self.field.right))

    def _outline(self, lung: Literal["left", "right"], mask: Mask) -> Outline:
        left, top, right, bottom = self.film
        width, height = right - left, bottom - top
        return Outline(lung, tuple((left + x * width, top + y * height) for x, y in outline(mask)))


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """A verdict and its class activation maps (Zhou et al. 2016).

    A map says where a network found what speaks for or against pneumonia. Its cells are coarse and
    overlap in what they see, so it does not outline anything.

    Attributes:
        verdict: The same as ``Screening.screen`` gives.
        radiograph: What was read.
        maps: Shape (members, h, w), in the order of the verdict's members, on one grid that covers
            ``covers``. A value is what its cell adds to the member's logit before calibration:
            above 0 it speaks for pneumonia.
        lungs: Where the lungs are; None for a bundle that does not look for them.
        covers: What the maps lie on, as shares of the frame; it may reach beyond it.
    """

    verdict: Verdict
    radiograph: Radiograph
    maps: NDArray[np.float32]
    lungs: LungsOnFrame | None = None
    covers: Box = WHOLE_FRAME

    @property
    def heat(self) -> NDArray[np.float32]:
        """The mean of the members' maps, shape (h, w): what the combined verdict rests on."""
        return np.asarray(self.maps.mean(axis=0), dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Unexplained:
    """A verdict whose networks allow no map.

    Attributes:
        verdict: The same as ``Screening.screen`` gives.
        radiograph: What was read.
        reason: One sentence, in English, that says why there is no map.
    """

    verdict: Verdict
    radiograph: Radiograph
    reason: str
