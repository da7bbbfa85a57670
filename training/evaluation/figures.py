"""What a table of scores amounts to at a bundle's operating point."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from service.inference import Manifest
from training.evaluation.scoring import answered, member_probabilities, probabilities
from training.evaluation.statistics import (
    auc,
    auc_interval,
    bootstrap,
    expected_calibration_error,
    proportion,
)

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


def figures(table: pd.DataFrame, manifest: Manifest) -> dict[str, Any]:
    """All figures of one set under one condition.

    Args:
        table: Scores, see ``training.evaluation.scoring``. It may hold one class only.
        manifest: Calibration and threshold.

    Returns:
        ``films``, ``patients``, ``positives``, ``refused`` (counts by reason), then those of
        ``operating`` for the ensemble, and for each member under ``members``; ``by_aetiology``,
        the sensitivity for each cause that the names tell; ``hard_blocks``, the specificity there.
        What cannot be said of this set is None or left out.
    """
    rows = answered(table)
    labels = label_array(rows)
    scores = probabilities(rows, manifest)
    cut = manifest.threshold.value
    patients = rows["patient"].astype(str).tolist()
    aetiologies = rows["aetiology"].to_numpy()
    hard = rows["hard_block"].to_numpy(dtype=bool) & (labels == 0)
    return {
        "films": len(table),
        "patients": int(table["patient"].nunique()),
        "positives": int(table["label"].sum()),
        "refused": refusals(table),
        "threshold": cut,
        **operating(labels, scores, patients, cut),
        "members": {
            name: operating(labels, own, patients, cut)
            for name, own in member_probabilities(rows, manifest).items()
        },
        "by_aetiology": {
            name: proportion(scores[(aetiologies == name) & (labels == 1)] > cut)
            for name in sorted(set(aetiologies[labels == 1]) - {""})
        },
        "hard_blocks": proportion(scores[hard] <= cut),
    }


def operating(
    labels: Labels, scores: Floats, patients: list[str], threshold: float
) -> dict[str, Any]:
    """Figures at an operating point, each with its 95 % interval.

    The AUC's interval is a bootstrap over patients, those of proportions are Wilson's, which takes
    films for independent. The calibration error has none: resampling can only add to it.

    Args:
        labels: Shape (N,), 0 or 1.
        scores: Shape (N,), calibrated.
        patients: Of each film.
        threshold: A score above it is a verdict of pneumonia.

    Returns:
        ``auc``, ``accuracy``, ``sensitivity``, ``specificity``, ``ece``, ``brier``; None for what
        needs the class that is not there.
    """
    called = scores > threshold
    both = 0 < labels.sum() < len(labels)
    return {
        "auc": auc_interval(labels, scores, patients),
        "accuracy": proportion(called == (labels == 1)),
        "sensitivity": proportion(called[labels == 1]),
        "specificity": proportion(~called[labels == 0]),
        "ece": round(expected_calibration_error(labels, scores), 4) if both else None,
        "brier": round(float(((scores - labels) ** 2).mean()), 4) if both else None,
    }


def under_conditions(
    clean: pd.DataFrame, conditions: Mapping[str, pd.DataFrame], manifest: Manifest
) -> dict[str, Any]:
    """What perturbations do: by condition, and over all of them.

    Each condition is judged on the films that are answered under it and as they are.

    Args:
        clean: Scores of the films as they are.
        conditions: Scores of the same films, in the same order, by condition.
        manifest: Calibration and threshold.

    Returns:
        ``films`` that are answered as they are; ``mean_auc`` with its interval, ``worst``
        (condition and AUC; None where no condition leaves films of both classes), and under
        ``each`` the ``auc``, ``sensitivity``, ``specificity``, share of verdicts ``changed`` and
        number of films ``lost``, which are answered only as they are.
    """
    base = answered(clean)
    kept = clean["refused"] == ""
    labels, patients = label_array(base), base["patient"].astype(str).tolist()
    before = probabilities(base, manifest)
    # A refused film has no logits, and so no probability: NaN.
    columns = {
        name: np.where(table["refused"][kept] == "", probabilities(table[kept], manifest), np.nan)
        for name, table in conditions.items()
    }
    each = {
        name: _one_condition(labels, before, scores, manifest.threshold.value)
        for name, scores in columns.items()
    }
    areas = {name: found["auc"] for name, found in each.items() if found["auc"] is not None}
    worst = min(areas, key=lambda name: areas[name], default=None)
    stacked = np.stack(list(columns.values()), axis=1)
    mean = bootstrap(_mean_auc, labels, stacked, patients, replicates=200) if areas else None
    return {
        "films": len(base),
        "mean_auc": mean.as_json() if mean else None,
        "worst": {"condition": worst, "auc": areas[worst]} if worst else None,
        "each": each,
    }


def _one_condition(
    labels: Labels, before: Floats, scores: Floats, threshold: float
) -> dict[str, Any]:
    known = np.isfinite(scores)
    called, truth = scores[known] > threshold, labels[known] == 1
    area = _mean_auc(labels, scores[:, np.newaxis])
    return {
        "auc": None if np.isnan(area) else round(area, 4),
        "sensitivity": proportion(called[truth]),
        "specificity": proportion(~called[~truth]),
        "changed": proportion(called != (before[known] > threshold)),
        "lost": int((~known).sum()),
    }


def refusals(table: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """How many films have no answer, and which, by reason."""
    refused = table[table["refused"] != ""]
    return {
        str(reason): {"films": len(group), "files": sorted(group["file"])}
        for reason, group in refused.groupby("refused")
    }


def label_array(table: pd.DataFrame) -> Labels:
    """The column of labels: shape (rows,)."""
    return table["label"].to_numpy(dtype=np.int64)


def _mean_auc(labels: Labels, scores: Floats) -> float:
    """Mean over the columns, each without its NaN; NaN where none has films of both classes."""
    areas = []
    for column in scores.T:
        known = np.isfinite(column)
        if 0 < labels[known].sum() < known.sum():
            areas.append(auc(labels[known], column[known]))
    return float(np.mean(areas)) if areas else float("nan")
