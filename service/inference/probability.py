"""From members' probabilities to one: how they are combined, and how that is calibrated.

For one radiograph with Python's own figures: numpy takes longer to be called than to compute so few
numbers, and does so under the lock that all threads share. What researchers do to whole tables is
the same arithmetic, figure by figure.
"""

import math
from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from service.inference.manifest import Calibration

Rule = Literal["mean", "mean_logit"]
"""``mean`` of the probabilities, or ``mean_logit``: the sigmoid of the mean logit."""

_LOGIT_CLIP: Final = 1e-7
"""Probabilities nearer to 0 or 1 count as this near: a 32-bit sigmoid resolves no more."""


def combined(members: Sequence[float], rule: Rule) -> float:
    """Make one probability of the members'.

    Args:
        members: At least one, each from 0 to 1.
        rule: How.

    Returns:
        From 0 to 1; never falls when a member's probability rises.
    """
    if rule == "mean":
        return sum(members) / len(members)
    return _sigmoid(sum(map(_logit, members)) / len(members))


def calibrated(probability: float, calibration: Calibration) -> float:
    """Correct a combined probability as the bundle's calibration says.

    Args:
        probability: From 0 to 1.
        calibration: Its slope is positive, so the order of probabilities stays.

    Returns:
        From 0 to 1.
    """
    if calibration.method == "none":
        return probability
    return _sigmoid(calibration.slope * _logit(probability) + calibration.intercept)


def combine(scores: NDArray[np.floating], rule: Rule) -> NDArray[np.float64]:
    """``combined`` for a table.

    Args:
        scores: Shape (N, members), from 0 to 1.
        rule: How.

    Returns:
        Shape (N,), from 0 to 1.
    """
    return np.array([combined(row, rule) for row in scores.tolist()], dtype=np.float64)


def calibrate(probabilities: NDArray[np.floating], calibration: Calibration) -> NDArray[np.float64]:
    """``calibrated`` for an array of any shape, which is that of the answer too."""
    flat = [calibrated(each, calibration) for each in probabilities.ravel().tolist()]
    return np.array(flat, dtype=np.float64).reshape(probabilities.shape)


def _logit(probability: float) -> float:
    clipped = min(max(probability, _LOGIT_CLIP), 1 - _LOGIT_CLIP)
    return math.log(clipped) - math.log1p(-clipped)


def _sigmoid(logit: float) -> float:
    # exp of a negative number only: a steep calibration cannot overflow.
    small = math.exp(-abs(logit))
    return (1 if logit >= 0 else small) / (1 + small)
