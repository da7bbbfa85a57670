"""Figures of merit for probabilities of a two-class test, with intervals over patients."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Statistic = Callable[[Labels, Floats], float]

REPLICATES: Final = 1000
CALIBRATION_BINS: Final = 10


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and its 95 % bootstrap interval (percentile method, Efron 1979)."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4f} ({self.low:.4f} to {self.high:.4f})"


def auc(labels: Labels, scores: Floats) -> float:
    """Area under the ROC curve, as the Mann-Whitney statistic; ties count half."""
    positives = int(labels.sum())
    negatives = len(labels) - positives
    rank_sum = float(rankdata(scores)[labels == 1].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def sensitivity(labels: Labels, scores: Floats, threshold: float) -> float:
    """Share of the pneumonias that are called."""
    return float((scores[labels == 1] > threshold).mean())


def specificity(labels: Labels, scores: Floats, threshold: float) -> float:
    """Share of the normals that are not called."""
    return float((scores[labels == 0] <= threshold).mean())


def accuracy(labels: Labels, scores: Floats, threshold: float) -> float:
    """Share of right answers."""
    return float(((scores > threshold) == (labels == 1)).mean())


def predictive_values(sens: float, spec: float, prevalence: float) -> tuple[float, float]:
    """Positive and negative predictive value at a prevalence from 0 to 1 (Bayes' rule).

    A value is NaN where the test never gives that answer.
    """
    true_positive, false_positive = sens * prevalence, (1 - spec) * (1 - prevalence)
    true_negative, false_negative = spec * (1 - prevalence), (1 - sens) * prevalence
    called, cleared = true_positive + false_positive, true_negative + false_negative
    return (
        true_positive / called if called else float("nan"),
        true_negative / cleared if cleared else float("nan"),
    )


def brier(labels: Labels, scores: Floats) -> float:
    """Mean squared difference between probability and outcome (Brier 1950)."""
    return float(np.mean((scores - labels) ** 2))


def reliability(
    labels: Labels, scores: Floats, bins: int = CALIBRATION_BINS
) -> list[tuple[float, float, int]]:
    """Mean probability, observed share and count of each non-empty bin of equal width."""
    index = np.minimum((scores * bins).astype(int), bins - 1)
    return [
        (float(scores[chosen].mean()), float(labels[chosen].mean()), int(chosen.sum()))
        for chosen in (index == number for number in range(bins))
        if chosen.any()
    ]


def expected_calibration_error(labels: Labels, scores: Floats) -> float:
    """Mean gap between probability and observed share over 10 bins, weighted by their counts."""
    gaps = [abs(mean - share) * count for mean, share, count in reliability(labels, scores)]
    return sum(gaps) / len(labels)


def bootstrap(
    statistic: Statistic,
    labels: Labels,
    scores: Floats,
    patients: Sequence[str],
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Interval:
    """Interval of a statistic by drawing whole patients, who may have several images each.

    Draws that miss one of the two classes are left out.

    Args:
        statistic: Function of labels and scores.
        labels: Shape (N,), 0 or 1.
        scores: Shape (N,), or (N, K) for a statistic over K scores of each image.
        patients: Patient of each image.
        replicates: Number of draws.
        seed: Equal seeds give equal intervals.
    """
    groups = _positions_by_patient(patients)
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(replicates):
        drawn = rng.integers(len(groups), size=len(groups))
        positions = np.concatenate([groups[group] for group in drawn])
        if 0 < labels[positions].sum() < len(positions):
            values.append(statistic(labels[positions], scores[positions]))
    low, high = np.percentile(values, [2.5, 97.5])
    return Interval(statistic(labels, scores), float(low), float(high))


def _positions_by_patient(patients: Sequence[str]) -> list[NDArray[np.int64]]:
    _, codes = np.unique(np.asarray(patients), return_inverse=True)
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.cumsum(np.bincount(codes))[:-1])
