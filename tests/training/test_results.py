"""The figures that are compared: means over the suite, and differences with paired intervals."""

import numpy as np
import pytest

from training import metrics
from training.results import difference, suite_figures

RNG = np.random.default_rng(0)
LABELS = (np.arange(200) % 2).astype(np.int64)
PATIENTS = [str(number) for number in range(200)]
WEAK = 0.2 * LABELS[:, np.newaxis] + RNG.uniform(size=(200, 3))
STRONG = WEAK + 0.3 * LABELS[:, np.newaxis]


def test_the_mean_over_the_suite_is_the_mean_of_each_auc_without_the_clean_one() -> None:
    tied = WEAK.round(1)
    figures = suite_figures(LABELS, tied, ("clean", "blur", "noise"), PATIENTS)
    expected = np.mean([metrics.auc(LABELS, tied[:, column]) for column in (1, 2)])
    assert figures["mean_auc"]["value"] == pytest.approx(expected, abs=1e-4)


def test_a_difference_is_that_of_the_means() -> None:
    gain = difference(LABELS, STRONG, WEAK, PATIENTS)
    means = [
        np.mean([metrics.auc(LABELS, scores[:, column]) for column in range(3)])
        for scores in (STRONG, WEAK)
    ]
    assert gain.value == pytest.approx(means[0] - means[1])
    assert 0 < gain.low < gain.value < gain.high


def test_the_interval_of_a_difference_is_paired() -> None:
    """Both see the same draws: what differs by next to nothing has next to no interval."""
    nearly = WEAK + 1e-9 * RNG.uniform(size=WEAK.shape)
    gain = difference(LABELS, nearly, WEAK, PATIENTS)
    assert abs(gain.value) < 1e-6
    assert gain.high - gain.low < 1e-6
    assert metrics.bootstrap(metrics.auc, LABELS, WEAK[:, 0], PATIENTS).high > 0.6
