"""Calibration, threshold and range of a bundle, fitted on the films of one site.

What the new ones are worth is measured by cross-validation: each part of the site's patients is
answered with what was fitted on the others.
"""

from math import ceil, floor
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from service.inference import (
    Calibration,
    Indeterminate,
    Manifest,
    Metrics,
    Threshold,
)
from service.inference.probability import calibrate
from training.data import DataError
from training.evaluation.calibration import Worlds, choose_threshold, fit_platt
from training.evaluation.conformal import DECIMALS, Table, films_needed, indeterminate
from training.evaluation.pipeline import raw_logit
from training.evaluation.site import Cases, Floats, Labels
from training.evaluation.site_bundle import FOLDS, Recalibrated
from training.evaluation.statistics import (
    auc_interval,
    bootstrap,
    expected_calibration_error,
    proportion,
)

DEFAULT_ERROR: Final = 0.02

Flags = NDArray[np.bool_]


def recalibrate(
    manifest: Manifest,
    cases: Cases,
    suffix: str,
    *,
    sensitivity: float,
    error: float | None = None,
) -> Recalibrated:
    """Fit a bundle's calibration, threshold and indeterminate range on a site's films.

    Args:
        manifest: Of the bundle that read the films.
        cases: The films.
        suffix: Name of the site, for the new version.
        sensitivity: Least one at the new threshold; of those thresholds, the most specific.
        error: Target of the indeterminate range; that of the bundle by default.

    Raises:
        DataError: There are too few films, or the networks rank normals above pneumonias.
    """
    cases.check()
    combined = 1 / (1 + np.exp(-cases.logits))
    between = manifest.indeterminate
    target = error or (between.target or between.error if between else DEFAULT_ERROR)
    calibration, threshold = _fit(cases.labels, combined, sensitivity)
    held_out, called, folds = _cross_validate(cases, combined, sensitivity)
    new_range, after_range = _range(
        manifest, calibration, threshold, Table(cases.labels, held_out, folds), target
    )
    old = calibrate(combined, manifest.calibration)
    lower, upper = (between.lower, between.upper) if between else (None, None)
    before = _figures(cases, old, old > manifest.threshold.value) | _assessed(
        cases.labels, old, lower, upper
    )
    after = _figures(cases, held_out, called) | after_range
    separator = "." if "+" in manifest.version else "+"
    settled = manifest.model_copy(
        update={
            "version": f"{manifest.version}{separator}{suffix}",
            "calibration": calibration,
            "threshold": threshold,
            "indeterminate": new_range,
            # Measured elsewhere, at another operating point.
            "members": tuple(
                member.model_copy(update={"metrics": {}}) for member in manifest.members
            ),
            "metrics": _metrics(manifest, cases, before, after),
        }
    )
    checked = Manifest.model_validate(settled.model_dump(mode="json"))
    return Recalibrated(checked, before, after, cases.refused)


def _fit(labels: Labels, combined: Floats, sensitivity: float) -> tuple[Calibration, Threshold]:
    calibration = fit_platt(labels, combined, films=f"{len(labels)} films of the site")
    probabilities = calibrate(combined, calibration)
    worlds = Worlds(
        sick={"the site's pneumonias": probabilities[labels == 1]},
        normal={"the site's normals": probabilities[labels == 0]},
        watched={},
    )
    return calibration, choose_threshold(worlds, sensitivity)


def _cross_validate(
    cases: Cases, combined: Floats, sensitivity: float
) -> tuple[Floats, Flags, Labels]:
    """Probability and verdict of each film by what was fitted on the other parts, and its part."""
    folds = cases.folds(FOLDS)
    probabilities = np.empty(len(combined))
    called = np.empty(len(combined), dtype=bool)
    for fold in range(FOLDS):
        rest, here = folds != fold, folds == fold
        calibration, threshold = _fit(cases.labels[rest], combined[rest], sensitivity)
        probabilities[here] = calibrate(combined[here], calibration)
        called[here] = probabilities[here] > threshold.value
    return probabilities, called, folds


def _range(
    manifest: Manifest,
    calibration: Calibration,
    threshold: Threshold,
    held_out: Table,
    error: float,
) -> tuple[Indeterminate | None, dict[str, Any]]:
    """The new range and its figures: chosen on these films, or else carried over."""
    films = f"out-of-fold answers to {len(held_out.labels)} films of the site"
    try:
        entry = indeterminate({"site": held_out}, error, threshold.value, films)
    except DataError:
        carried = _carried_over(manifest, calibration, threshold, error)
        lower, upper = (carried.lower, carried.upper) if carried else (None, None)
        return carried, _assessed(held_out.labels, held_out.probabilities, lower, upper)
    found: dict[str, Any] = entry.metrics
    count, assessed = len(held_out.labels), round(found["coverage"] * len(held_out.labels))
    return entry, {
        "indeterminate": proportion(np.arange(count) >= assessed),
        "normal_wrong": found["normal"],
        "pneumonia_wrong": found["pneumonia"],
    }


def _carried_over(
    manifest: Manifest, calibration: Calibration, threshold: Threshold, error: float
) -> Indeterminate | None:
    """The old range on the new scale, around the new threshold: the same scores stay doubtful."""
    old = manifest.indeterminate
    if old is None:
        return None
    raw = [raw_logit(bound, manifest.calibration) for bound in (old.lower, old.upper)]
    moved = calibrate(1 / (1 + np.exp(-np.array(raw))), calibration)
    lower, upper = (
        min(float(moved[0]), threshold.value),
        max(float(moved[1]), threshold.value),
    )
    scale, needed = 10**DECIMALS, ceil(films_needed(error) * FOLDS / (FOLDS - 1))
    return old.model_copy(
        update={
            "lower": floor(lower * scale) / scale,
            "upper": ceil(upper * scale) / scale,
            "metrics": {},
            "fitted_on": f"carried over from version {manifest.version} and never tried here: a "
            f"range of its own needs {needed} films of each class",
        }
    )


def _assessed(
    labels: Labels, probabilities: Floats, lower: float | None, upper: float | None
) -> dict[str, Any]:
    if lower is None or upper is None:
        return dict.fromkeys(("indeterminate", "normal_wrong", "pneumonia_wrong"))
    below, above = probabilities < lower, probabilities > upper
    return {
        "indeterminate": proportion(~(below | above)),
        "normal_wrong": proportion(above[labels == 0]),
        "pneumonia_wrong": proportion(below[labels == 1]),
    }


def _figures(cases: Cases, probabilities: Floats, called: Flags) -> dict[str, Any]:
    labels, patients = cases.labels, cases.patients

    def brier(truth: Labels, given: Floats) -> float:
        return float(((given - truth) ** 2).mean())

    def mean(_: Labels, given: Floats) -> float:
        return float(given.mean())

    return {
        "films": len(labels),
        "positives": int(labels.sum()),
        # Calibrations of different parts do not rank each other's films: the networks' own order.
        "auc": auc_interval(labels, cases.logits, patients),
        "accuracy": proportion(called == (labels == 1)),
        "sensitivity": proportion(called[labels == 1]),
        "specificity": proportion(~called[labels == 0]),
        "brier": bootstrap(brier, labels, probabilities, patients).as_json(),
        "ece": round(expected_calibration_error(labels, probabilities), 4),
        "mean_probability": bootstrap(mean, labels, probabilities, patients).as_json(),
    }


def _metrics(
    manifest: Manifest, cases: Cases, before: dict[str, JsonValue], after: dict[str, JsonValue]
) -> Metrics:
    earlier = manifest.metrics.model_dump(mode="json") if manifest.metrics else None
    return Metrics(
        protocol=f"{FOLDS}-fold cross-validation by patient on {len(cases.labels)} films of the "
        f"site, {int(cases.labels.sum())} of them with pneumonia",
        figures={
            "ensemble": after,
            "before": before,
            "earlier": {"version": manifest.version, "metrics": earlier},
        },
    )
