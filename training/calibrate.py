"""Calibration and operating point, both from out-of-fold predictions and from nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_curve

from service.inference.manifest import Calibration, Manifest, Threshold
from service.inference.probability import calibrate
from training import metrics
from training.data import DataError

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

    As there, the targets are not 0 and 1 but (1 to the class size + 2): where the classes do not
    overlap, the slope stays finite.

    Args:
        labels: Shape (N,), 0 or 1.
        probabilities: Shape (N,), out of fold.
        fitted_on: What these predictions are, for the manifest.

    Raises:
        DataError: Normals are ranked above pneumonias, so that nothing can be calibrated.
    """
    clipped = np.clip(probabilities, _CLIP, 1 - _CLIP)
    logits = np.log(clipped / (1 - clipped))[:, np.newaxis]
    positives = int(labels.sum())
    negatives = len(labels) - positives
    target = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    # scikit-learn takes no soft targets: each image counts once as either class, by its target.
    model = LogisticRegression(C=np.inf).fit(
        np.concatenate([logits, logits]),
        np.repeat([1, 0], len(labels)),
        sample_weight=np.concatenate([target, 1 - target]),
    )
    slope = float(model.coef_[0, 0])
    if slope <= 0:
        raise DataError(
            "Out of fold the networks rank normals above pneumonias: they have not learnt. "
            "Look at the runs' log.csv and train longer."
        )
    return Calibration(
        method="platt",
        slope=round(slope, 6),
        intercept=round(float(model.intercept_[0]), 6),
        fitted_on=fitted_on,
    )


def transfer(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], folds: NDArray[np.int64]
) -> list[dict[str, float]]:
    """How calibration and threshold hold on a block of patients that had no part in choosing them.

    Args:
        labels: Shape (N,), 0 or 1.
        probabilities: Shape (N,), uncalibrated, out of fold.
        folds: Shape (N,), the fold of each.

    Returns:
        For each fold, the figures on it of a calibration and threshold from the other folds.
    """
    rows = []
    for fold in sorted(set(folds.tolist())):
        here = folds == fold
        calibration = fit_platt(labels[~here], probabilities[~here], "the other folds")
        chosen = choose_threshold(labels[~here], calibrate(probabilities[~here], calibration)).value
        truth, scores = labels[here], calibrate(probabilities[here], calibration)
        rows.append(
            {
                "fold": fold,
                "threshold": chosen,
                "accuracy": round(metrics.accuracy(truth, scores, chosen), 4),
                "sensitivity": round(metrics.sensitivity(truth, scores, chosen), 4),
                "specificity": round(metrics.specificity(truth, scores, chosen), 4),
                "ece": round(metrics.expected_calibration_error(truth, scores), 4),
            }
        )
    return rows


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


def print_choice(
    manifest: Manifest, transferred: Sequence[Mapping[str, float]], console: Console
) -> None:
    """Show calibration and operating point, their figures out of fold, and how they carry over.

    Args:
        manifest: Of the bundle that they were written into.
        transferred: What ``transfer`` gave for the same predictions.
        console: Where to print.
    """
    calibration, threshold = manifest.calibration, manifest.threshold
    console.print(
        f"Calibration: {calibration.method}, slope {calibration.slope:g}, intercept "
        f"{calibration.intercept:g}; fitted on {calibration.fitted_on}."
    )
    console.print(f"Operating point: {threshold.value:g}, {threshold.rule}.")
    if manifest.metrics:
        figures: Any = manifest.metrics.figures["ensemble"]
        chosen = Table("figure", "value", "95 % interval", title="Out of fold, at this point")
        for name, figure in figures.items():
            if "low" in figure:
                interval = f"{figure['low']:.4f} to {figure['high']:.4f}"
                chosen.add_row(name, f"{figure['value']:.4f}", interval)
        console.print(chosen)
    carried = Table(*transferred[0], title="On each fold, chosen on the other folds only")
    for row in transferred:
        carried.add_row(*(f"{value:g}" for value in row.values()))
    console.print(carried)
