"""Calibration and operating point follow their rules on out-of-fold predictions."""

import numpy as np
import pytest

from service.inference.probability import calibrate
from training import metrics
from training.calibrate import MIN_SENSITIVITY, choose_threshold, fit_platt, transfer
from training.data import DataError

RNG = np.random.default_rng(1)
TRUTH = RNG.uniform(0.02, 0.98, 4000)
LABELS = (RNG.uniform(size=4000) < TRUTH).astype(np.int64)
LOGITS = np.log(TRUTH / (1 - TRUTH))
OVERCONFIDENT = 1 / (1 + np.exp(-(3 * LOGITS + 1)))


def test_platt_undoes_overconfidence() -> None:
    calibration = fit_platt(LABELS, OVERCONFIDENT, "test")
    assert abs(calibration.slope - 1 / 3) < 0.03
    assert abs(calibration.intercept + 1 / 3) < 0.08
    before = metrics.expected_calibration_error(LABELS, OVERCONFIDENT)
    after = metrics.expected_calibration_error(LABELS, calibrate(OVERCONFIDENT, calibration))
    assert after < 0.03 < before


def test_classes_that_do_not_overlap_give_a_finite_slope() -> None:
    calibration = fit_platt(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9]), "test")
    assert 0 < calibration.slope < 5


def test_networks_that_rank_the_wrong_way_round_are_not_calibrated() -> None:
    with pytest.raises(DataError, match="have not learnt"):
        fit_platt(1 - LABELS, OVERCONFIDENT, "test")


def test_calibration_keeps_the_shape() -> None:
    calibration = fit_platt(LABELS, OVERCONFIDENT, "test")
    table = OVERCONFIDENT.reshape(1000, 4)
    assert np.array_equal(
        calibrate(table, calibration).ravel(), calibrate(OVERCONFIDENT, calibration)
    )


def test_the_threshold_keeps_the_sensitivity_it_was_chosen_for() -> None:
    threshold = choose_threshold(LABELS, TRUTH).value
    assert metrics.sensitivity(LABELS, TRUTH, threshold) >= MIN_SENSITIVITY


def test_no_other_threshold_of_that_sensitivity_has_a_larger_youden_index() -> None:
    chosen = choose_threshold(LABELS, TRUTH).value

    def youden(threshold: float) -> float:
        sens = metrics.sensitivity(LABELS, TRUTH, threshold)
        return sens + metrics.specificity(LABELS, TRUTH, threshold) - 1

    allowed = [
        t
        for t in np.linspace(0, 1, 2001)
        if metrics.sensitivity(LABELS, TRUTH, t) >= MIN_SENSITIVITY
    ]
    assert youden(chosen) >= max(youden(t) for t in allowed) - 1e-3


def test_transfer_applies_to_each_fold_what_the_others_chose() -> None:
    folds = np.arange(4000) % 4
    rows = transfer(LABELS, OVERCONFIDENT, folds)
    assert [row["fold"] for row in rows] == [0, 1, 2, 3]
    for row in rows:
        others = folds != row["fold"]
        calibration = fit_platt(LABELS[others], OVERCONFIDENT[others], "test")
        chosen = choose_threshold(LABELS[others], calibrate(OVERCONFIDENT[others], calibration))
        assert row["threshold"] == chosen.value
        assert row["sensitivity"] > 0.93
        assert row["ece"] < 0.06


def test_classes_that_do_not_overlap_are_parted_between_them() -> None:
    labels = np.array([0, 0, 1, 1])
    assert 0.2 < choose_threshold(labels, np.array([0.1, 0.2, 0.8, 0.9])).value < 0.8
