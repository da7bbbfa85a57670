"""A verdict together with what it was read from: the radiograph, and where the networks looked."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.imaging import Radiograph
from service.screening.verdict import Verdict


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """A verdict and its class activation maps (Zhou et al. 2016).

    A map says where a network found what speaks for or against pneumonia. Its cells are coarse and
    overlap in what they see, so it is no outline of anything.

    Attributes:
        verdict: The same as ``Screening.screen`` gives.
        radiograph: What was read.
        maps: Shape (members, h, w), in the order of the verdict's members, on one grid that covers
            the radiograph's whole frame. A value is what its cell adds to the member's logit before
            calibration: above 0 it speaks for pneumonia.
    """

    verdict: Verdict
    radiograph: Radiograph
    maps: NDArray[np.float32]

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
