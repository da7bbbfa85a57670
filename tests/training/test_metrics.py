"""Figures of merit agree with their definitions and with scikit-learn's."""

import numpy as np
import pytest
from sklearn import metrics as reference

from training import metrics

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 2, 400)
SCORES = np.clip(0.3 * LABELS + RNG.uniform(0, 0.7, 400), 0, 1).round(2)


def test_auc_equals_scikit_learns_with_ties() -> None:
    assert metrics.auc(LABELS, SCORES) == pytest.approx(reference.roc_auc_score(LABELS, SCORES))


def test_rates_equal_those_of_the_confusion_matrix() -> None:
    called = SCORES > 0.5
    (tn, fp), (fn, tp) = reference.confusion_matrix(LABELS, called)
    assert metrics.sensitivity(LABELS, SCORES, 0.5) == tp / (tp + fn)
    assert metrics.specificity(LABELS, SCORES, 0.5) == tn / (tn + fp)
    assert metrics.accuracy(LABELS, SCORES, 0.5) == (tp + tn) / 400


def test_predictive_values_at_the_samples_own_prevalence_are_the_samples() -> None:
    called = SCORES > 0.5
    sens = metrics.sensitivity(LABELS, SCORES, 0.5)
    spec = metrics.specificity(LABELS, SCORES, 0.5)
    ppv, npv = metrics.predictive_values(sens, spec, float(LABELS.mean()))
    assert ppv == pytest.approx(LABELS[called].mean())
    assert npv == pytest.approx(1 - LABELS[~called].mean())


def test_predictive_values_fall_with_prevalence() -> None:
    common, rare = (metrics.predictive_values(0.95, 0.9, share)[0] for share in (0.5, 0.01))
    assert rare < 0.1
    assert common > 0.9


def test_brier_equals_scikit_learns() -> None:
    assert metrics.brier(LABELS, SCORES) == pytest.approx(
        reference.brier_score_loss(LABELS, SCORES)
    )


def test_perfectly_calibrated_scores_have_no_calibration_error() -> None:
    labels = np.array([0, 0, 0, 1] * 50)
    assert metrics.expected_calibration_error(labels, np.full(200, 0.25)) == pytest.approx(0)
    assert metrics.expected_calibration_error(labels, np.full(200, 0.75)) == pytest.approx(0.5)


def test_reliability_counts_every_image_once() -> None:
    assert sum(count for _, _, count in metrics.reliability(LABELS, SCORES)) == 400


def test_an_interval_holds_its_value_and_narrows_with_more_patients() -> None:
    patients = [str(number) for number in range(400)]
    wide = metrics.bootstrap(metrics.auc, LABELS[:60], SCORES[:60], patients[:60], replicates=200)
    narrow = metrics.bootstrap(metrics.auc, LABELS, SCORES, patients, replicates=200)
    assert narrow.low < narrow.value < narrow.high
    assert narrow.high - narrow.low < wide.high - wide.low


def test_images_of_one_patient_are_drawn_together() -> None:
    """Ten copies of each image add no information, so they must not narrow the interval."""
    patients = [str(number) for number in range(60)]
    alone = metrics.bootstrap(metrics.auc, LABELS[:60], SCORES[:60], patients, replicates=300)
    copied = metrics.bootstrap(
        metrics.auc,
        np.repeat(LABELS[:60], 10),
        np.repeat(SCORES[:60], 10),
        list(np.repeat(patients, 10)),
        replicates=300,
    )
    assert copied.high - copied.low == pytest.approx(alone.high - alone.low, rel=0.25)


def test_an_interval_is_reproducible() -> None:
    patients = [str(number) for number in range(400)]
    first, again = (
        metrics.bootstrap(metrics.auc, LABELS, SCORES, patients, replicates=50) for _ in range(2)
    )
    assert first == again
