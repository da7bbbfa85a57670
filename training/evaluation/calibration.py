"""Calibration and operating point, chosen on several worlds and reported for all of them.

A new device lifts all scores alike, so a threshold from one hospital's films is lost at the next.
The sensitivity is therefore held on out-of-fold films whose frames and files were changed, and the
specificity is judged where it is worst.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from service.inference import Calibration, Threshold
from service.inference.probability import calibrate
from training.data import DataError
from training.evaluation.statistics import proportion

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

MIN_SENSITIVITY: Final = 0.95
ASKED_SPECIFICITY: Final = 0.92
"""For the column that tells how far apart the worlds' own thresholds lie."""

_CLIP: Final = 1e-7


@dataclass(frozen=True, slots=True, eq=False)
class Worlds:
    """Films of one class under one condition each, as combined probabilities by world.

    Attributes:
        sick: True pneumonias, in whose worlds the sensitivity must hold.
        normal: Films without pneumonia, the worst of whose worlds decides.
        watched: Further worlds of pneumonias that are only reported.
    """

    sick: Mapping[str, Floats]
    normal: Mapping[str, Floats]
    watched: Mapping[str, Floats]

    def calibrated(self, calibration: Calibration) -> "Worlds":
        """The same with calibrated probabilities."""
        parts = (
            {name: calibrate(values, calibration) for name, values in part.items()}
            for part in (self.sick, self.normal, self.watched)
        )
        return Worlds(*parts)


def fit_platt(
    labels: Labels, combined: Floats, prevalence: float | None = None, films: str = ""
) -> Calibration:
    """Fit slope and intercept on the logit of the combined probability (Platt 1999).

    As there, the targets are not 0 and 1 but (1 to the class size + 2): where the classes do not
    overlap, the slope stays finite.

    Args:
        labels: Shape (N,), 0 or 1.
        combined: Shape (N,), uncalibrated, out of fold.
        prevalence: Share of pneumonia that the probability is calibrated for: the classes are
            weighted to it. The share among the films by default.
        films: What the films are, for the manifest.

    Raises:
        DataError: One class is missing, or normals are ranked above pneumonias.
    """
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        raise DataError("Calibration needs films of both classes.")
    share = positives / len(labels) if prevalence is None else prevalence
    target = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    weight = np.where(
        labels == 1, share * len(labels) / positives, (1 - share) * len(labels) / negatives
    )
    clipped = np.clip(combined, _CLIP, 1 - _CLIP)
    logits = np.log(clipped / (1 - clipped))[:, np.newaxis]
    # scikit-learn takes no soft targets: each film counts once as either class, by its target.
    model = LogisticRegression(C=np.inf, max_iter=1000).fit(
        np.concatenate([logits, logits]),
        np.repeat([1, 0], len(labels)),
        sample_weight=np.concatenate([weight * target, weight * (1 - target)]),
    )
    slope = float(model.coef_[0, 0])
    if slope <= 0:
        raise DataError("Out of fold the networks rank normals above pneumonias: nothing to fit.")
    return Calibration(
        method="platt",
        slope=round(slope, 6),
        intercept=round(float(model.intercept_[0]), 6),
        fitted_on=f"{films}; for a share of pneumonia of {share:.2f}".lstrip("; "),
        prevalence=round(share, 4),
    )


def choose_threshold(worlds: Worlds, min_sensitivity: float = MIN_SENSITIVITY) -> Threshold:
    """Among thresholds that keep the sensitivity in every world, the best worst specificity.

    Of equally good thresholds the lowest is taken, which calls the most pneumonias.

    Args:
        worlds: Calibrated.
        min_sensitivity: To be kept in each world of ``worlds.sick``.

    Raises:
        DataError: A world is empty.
    """
    if not all(len(values) for part in (worlds.sick, worlds.normal) for values in part.values()):
        raise DataError("A world holds no films.")
    everything = np.unique(np.concatenate([*worlds.sick.values(), *worlds.normal.values()]))
    # Midway between neighbours: the films at the point keep their verdict whatever the rounding.
    edges = np.concatenate([[0.0], everything, [1.0]])
    cuts = np.unique(np.round((edges[:-1] + edges[1:]) / 2, 4))
    cuts = cuts[(cuts > 0) & (cuts < 1)]
    kept = np.min([_above(values, cuts) for values in worlds.sick.values()], axis=0)
    worst = np.min([1 - _above(values, cuts) for values in worlds.normal.values()], axis=0)
    allowed = np.where(kept >= min_sensitivity, worst, -1.0)
    if allowed.max() < 0:  # not even the lowest threshold keeps it
        allowed = -cuts
    value = float(cuts[int(np.argmax(allowed))])
    return Threshold(
        value=value,
        rule=f"the one whose lowest specificity over {_listed(worlds.normal)} is highest, among "
        f"those with a sensitivity of at least {min_sensitivity:g} over {_listed(worlds.sick)}",
    )


def _listed(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def table_of_worlds(worlds: Worlds, threshold: float) -> dict[str, Any]:
    """Every world at one threshold.

    Args:
        worlds: Calibrated.
        threshold: The operating point.

    Returns:
        ``sensitivity`` and ``specificity`` by world, each with its interval; beside a specificity
        ``own_threshold``, the least that gives ``ASKED_SPECIFICITY`` in that world.
    """
    sick = {**worlds.sick, **worlds.watched}
    return {
        "threshold": threshold,
        "asked_specificity": ASKED_SPECIFICITY,
        "sensitivity": {name: proportion(values > threshold) for name, values in sick.items()},
        "specificity": {
            name: (proportion(values <= threshold) or {})
            | {"own_threshold": round(_own_threshold(values), 4)}
            for name, values in worlds.normal.items()
        },
    }


def _above(values: Floats, cuts: Floats) -> Floats:
    """Share of values above each cut."""
    order = np.sort(values)
    return 1 - np.searchsorted(order, cuts, side="right") / len(order)


def _own_threshold(values: Floats) -> float:
    """The least threshold that gives a world's films the specificity asked for."""
    order = np.sort(values)
    return float(order[int(np.ceil(ASKED_SPECIFICITY * len(order))) - 1])
