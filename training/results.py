"""What predictions amount to: the figures of the manifest, the card and the table."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from training import metrics
from training.metrics import Interval, bootstrap

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

_SUITE_REPLICATES = 200
"""Bootstrap draws where each means an AUC for every perturbation."""


def rounded(interval: Interval) -> dict[str, float]:
    """An interval as JSON."""
    return {
        "value": round(interval.value, 4),
        "low": round(interval.low, 4),
        "high": round(interval.high, 4),
    }


def operating_figures(
    labels: Labels,
    probabilities: Floats,
    patients: Sequence[str],
    threshold: float,
    *,
    replicates: int = metrics.REPLICATES,
) -> dict[str, Any]:
    """Figures of calibrated probabilities at an operating point, each with its interval.

    Args:
        labels: Shape (N,), 0 or 1.
        probabilities: Shape (N,).
        patients: Patient of each image.
        threshold: Probabilities above it are called.
        replicates: Bootstrap draws.
    """
    statistics: dict[str, metrics.Statistic] = {
        "auc": metrics.auc,
        "accuracy": partial(metrics.accuracy, threshold=threshold),
        "sensitivity": partial(metrics.sensitivity, threshold=threshold),
        "specificity": partial(metrics.specificity, threshold=threshold),
        "ece": metrics.expected_calibration_error,
        "brier": metrics.brier,
    }
    return {
        name: rounded(bootstrap(statistic, labels, probabilities, patients, replicates=replicates))
        for name, statistic in statistics.items()
    }


def suite_figures(
    labels: Labels, probabilities: Floats, conditions: Sequence[str], patients: Sequence[str]
) -> dict[str, Any]:
    """AUC over the perturbation suite: the mean with its interval, the worst, and each.

    Args:
        labels: Shape (N,).
        probabilities: Shape (N, conditions).
        conditions: Name of each column; ``clean`` is not part of the mean.
        patients: Patient of each image.
    """
    columns = [index for index, name in enumerate(conditions) if name != "clean"]
    perturbed = probabilities[:, columns]
    each = {conditions[index]: metrics.auc(labels, probabilities[:, index]) for index in columns}
    worst = min(each, key=lambda name: each[name])
    return {
        "mean_auc": rounded(
            bootstrap(_mean_auc, labels, perturbed, patients, replicates=_SUITE_REPLICATES)
        ),
        "worst": {"perturbation": worst, "auc": round(each[worst], 4)},
        "auc": {name: round(value, 4) for name, value in each.items()},
    }


def difference(
    labels: Labels, ours: Floats, theirs: Floats, patients: Sequence[str]
) -> metrics.Interval:
    """Mean AUC of ours less that of theirs, with its paired interval: both see the same draws.

    Args:
        labels: Shape (N,).
        ours: Shape (N, conditions).
        theirs: Shape (N, conditions), of the same images and conditions.
        patients: Patient of each image.
    """
    conditions = ours.shape[1]

    def gain(drawn: Labels, scores: Floats) -> float:
        return _mean_auc(drawn, scores[:, :conditions]) - _mean_auc(drawn, scores[:, conditions:])

    stacked = np.concatenate([ours, theirs], axis=1)
    return bootstrap(gain, labels, stacked, patients, replicates=_SUITE_REPLICATES)


def by_aetiology(facts: pd.DataFrame, probabilities: Floats, threshold: float) -> dict[str, Any]:
    """Sensitivity for bacterial and for viral pneumonia, with the number of patients."""
    called = probabilities > threshold
    return {
        str(aetiology): {
            "sensitivity": round(float(called[facts["aetiology"] == aetiology].mean()), 4),
            "patients": int((facts["aetiology"] == aetiology).sum()),
        }
        for aetiology in sorted(set(facts.loc[facts["label"] == 1, "aetiology"]))
    }


def stability(
    probabilities: Floats, conditions: Sequence[str], threshold: float
) -> dict[str, float]:
    """Share of verdicts that a perturbation leaves as they were on the clean image."""
    clean = probabilities[:, list(conditions).index("clean")] > threshold
    return {
        name: round(float(((probabilities[:, index] > threshold) == clean).mean()), 4)
        for index, name in enumerate(conditions)
        if name != "clean"
    }


def _mean_auc(labels: Labels, scores: Floats) -> float:
    """Mean of ``metrics.auc`` over the columns, which are ranked together: the bootstrap's cost."""
    positives = int(labels.sum())
    negatives = len(labels) - positives
    rank_sums = rankdata(scores, axis=0)[labels == 1].sum(axis=0)
    return float(np.mean(rank_sums - positives * (positives + 1) / 2) / (positives * negatives))
