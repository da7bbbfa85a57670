"""How a recipe, or the mean of two, does on held-out patients: the figures that are compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training import metrics
from training.metrics import Interval, bootstrap
from training.out_of_fold import collect, finished_folds
from training.results import suite_figures

JOIN: Final = "+"


@dataclass(frozen=True)
class Judged:
    """A recipe or a pair on a set of held-out patients.

    Attributes:
        labels: Shape (N,).
        patients: Key of each.
        perturbed: Probabilities under the suite: shape (N, perturbations).
        clean: AUC on the images as they are.
        mean: Mean AUC over the suite.
        worst: Name and AUC of the worst perturbation.
    """

    labels: NDArray[np.int64]
    patients: Sequence[str]
    perturbed: NDArray[np.float64]
    clean: Interval
    mean: Interval
    worst: tuple[str, float]


# The predictions of a finished fold never change, and bootstrapping them takes a second.
@lru_cache(maxsize=256)
def judge(runs: Path, system: str, folds: tuple[int, ...]) -> Judged:
    """Read the held-out predictions of a recipe, or of a pair ``A+B``, and work out its figures.

    Raises:
        DataError: A recipe has not finished these folds.
    """
    predictions = collect(runs, system.split(JOIN), folds)
    labels, patients = predictions.labels, predictions.patients
    probabilities = predictions.combined("mean")
    conditions = predictions.conditions
    suite = [index for index, name in enumerate(conditions) if name != "clean"]
    figures = suite_figures(labels, probabilities, conditions, patients)
    clean = probabilities[:, conditions.index("clean")]
    return Judged(
        labels=labels,
        patients=patients,
        perturbed=probabilities[:, suite],
        clean=bootstrap(metrics.auc, labels, clean, patients),
        mean=Interval(**figures["mean_auc"]),
        worst=(figures["worst"]["perturbation"], figures["worst"]["auc"]),
    )


def common_folds(runs: Path, *systems: str) -> tuple[int, ...]:
    """Folds that all recipes of these systems have finished, in order."""
    names = [name for system in systems for name in system.split(JOIN)]
    return tuple(sorted(set.intersection(*(set(finished_folds(runs, name)) for name in names))))
