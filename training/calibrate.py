"""Calibration and operating point, both from out-of-fold predictions and from nothing else."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_curve

from service.inference.manifest import Calibration, Threshold

MIN_SENSITIVITY: Final = 0.97
RULE: Final = (
    "the point of the out-of-fold ROC curve with the largest Youden index among those with a "
    f"sensitivity of at least {MIN_SENSITIVITY:g}"
)
_CLIP: Final = 1e-6


def fit_platt(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], fitted_on: str
) -> Calibration:
    """Fit slope and intercept on the logit of the combined probability (Platt 1999).

    Args:
        labels: Shape (N,), 0 or 1.
        probabilities: Shape (N,), out of fold.
        fitted_on: What these predictions are, for the manifest.
    """
    clipped = np.clip(probabilities, _CLIP, 1 - _CLIP)
    logits = np.log(clipped / (1 - clipped))[:, np.newaxis]
    model = LogisticRegression(C=np.inf).fit(logits, labels)
    return Calibration(
        method="platt",
        slope=round(float(model.coef_[0, 0]), 6),
        intercept=round(float(model.intercept_[0]), 6),
        fitted_on=fitted_on,
    )


def choose_threshold(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> Threshold:
    """Choose the operating point by ``RULE``.

    The value lies midway to the next lower probability, so that the images at the point itself are
    called whatever the rounding of an answer.

    Args:
        labels: Shape (N,), 0 or 1.
        probabilities: Shape (N,), calibrated, out of fold.
    """
    false_positive, true_positive, cuts = roc_curve(labels, probabilities, drop_intermediate=False)
    youden = np.where(true_positive >= MIN_SENSITIVITY, true_positive - false_positive, -np.inf)
    cut = float(cuts[int(np.argmax(youden))])
    below = probabilities[probabilities < cut]
    lower = float(below.max()) if below.size else 0.0
    return Threshold(value=round((cut + lower) / 2, 4), rule=RULE)
