"""Figures of merit agree with their definitions and with published values."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from training.evaluation.statistics import (
    auc,
    bootstrap,
    expected_calibration_error,
    proportion,
    stratified_auc,
    wilson,
)

LABELS = np.array([0, 0, 1, 1])


def test_auc_is_the_share_of_pairs_in_order_and_ties_count_half() -> None:
    assert auc(LABELS, np.array([0.1, 0.4, 0.35, 0.8])) == 0.75
    assert auc(LABELS, np.array([0.5, 0.5, 0.5, 0.5])) == 0.5


def test_auc_equals_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 400)
    scores = (0.3 * labels + rng.uniform(0, 0.7, 400)).round(2)
    assert auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # Newcombe 1998, Table I, method 3.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_intervals(
    successes: int, trials: int, low: float, high: float
) -> None:
    found = wilson(successes, trials)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)
    assert found.value == successes / trials


def test_a_proportion_of_nothing_is_none() -> None:
    assert proportion(np.array([], dtype=bool)) is None
    assert proportion(np.array([True, False])) == {
        "value": 0.5,
        "low": 0.0945,
        "high": 0.9055,
        "n": 2,
    }


def test_bootstrap_draws_patients_and_not_films() -> None:
    rng = np.random.default_rng(0)
    labels = np.tile([0, 1], 50)
    scores = labels + rng.normal(0, 1.5, 100)
    alone = bootstrap(auc, labels, scores, [str(n) for n in range(100)], replicates=300)
    # Each film ten times over is no more evidence as long as the patients are the same.
    again = bootstrap(
        auc,
        np.repeat(labels, 10),
        np.repeat(scores, 10),
        [str(n) for n in range(100) for _ in range(10)],
        replicates=300,
    )
    assert again.value == pytest.approx(alone.value)
    assert again.high - again.low == pytest.approx(alone.high - alone.low, rel=0.1)
    assert alone.low < alone.value < alone.high


def test_calibration_error_is_the_mean_gap_weighted_by_the_bins() -> None:
    scores = np.array([0.15, 0.15, 0.95, 0.95])
    assert expected_calibration_error(np.array([0, 0, 1, 1]), scores) == pytest.approx(0.1)


def test_a_score_that_only_reads_a_nuisance_ranks_nothing_among_like_values_of_it() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 4000)
    nuisance = labels + rng.normal(0, 0.7, 4000)
    assert auc(labels, nuisance) > 0.8
    coarse = np.floor(nuisance * 3)  # all that is left of it within a bin is noise
    assert stratified_auc(labels, rng.permutation(coarse), nuisance) == pytest.approx(0.5, abs=0.05)
    assert stratified_auc(labels, labels.astype(float), nuisance) == 1.0
    assert np.isnan(stratified_auc(LABELS, np.arange(4.0), np.arange(4.0), strata=4))
