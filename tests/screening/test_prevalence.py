from typing import Any

import numpy as np
import pytest
from pydantic import JsonValue

from service.inference import Calibration, Manifest, Metrics
from service.screening.prevalence import LocalFigures, local_figures, shifted
from tests.fake_engine import fake_bundle


def wilson(successes: int, trials: int) -> dict[str, JsonValue]:
    share, z = successes / trials, 1.96
    middle = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    spread = z * np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    spread /= 1 + z**2 / trials
    high = 1.0 if share == 1 else float(middle + spread)
    return {"value": share, "low": float(middle - spread), "high": high}


def manifest(sensitivity: Any = None, specificity: Any = None, **calibration: Any) -> Manifest:
    figures = {"ensemble": {"sensitivity": sensitivity, "specificity": specificity}}
    return fake_bundle().manifest.model_copy(
        update={
            "metrics": Metrics(protocol="counted", figures=figures),
            "calibration": Calibration(method="platt", slope=1.1, intercept=0.1, **calibration),
        }
    )


def figures(prevalence: float, positives: tuple[int, int], negatives: tuple[int, int]) -> Any:
    measured = manifest(wilson(*positives), wilson(*negatives), prevalence=0.5)
    return local_figures(0.9, measured, prevalence)


def test_predictive_values_are_those_of_bayes_theorem() -> None:
    local = figures(0.1, (90, 100), (80, 100))
    # Of 1,000 films, 100 are pneumonia: 90 found, 180 false alarms, 720 of 730 rightly let go.
    assert local.ppv.value == pytest.approx(90 / 270, abs=1e-4)
    assert local.npv.value == pytest.approx(720 / 730, abs=1e-4)
    assert local.ppv.low < local.ppv.value < local.ppv.high
    assert local.npv.low < local.npv.value < local.npv.high


@pytest.mark.parametrize("prevalence", [0.03, 0.3, 0.8])
def test_the_intervals_are_those_of_repeated_measurement(prevalence: float) -> None:
    local = figures(prevalence, (962, 1000), (470, 500))
    rng = np.random.default_rng(0)
    sensitivity = rng.beta(962.5, 38.5, 200_000)
    specificity = rng.beta(470.5, 30.5, 200_000)
    found = prevalence * sensitivity
    ppv = found / (found + (1 - prevalence) * (1 - specificity))
    free = (1 - prevalence) * specificity
    npv = free / (free + prevalence * (1 - sensitivity))
    for estimate, drawn in ((local.ppv, ppv), (local.npv, npv)):
        low, high = np.quantile(drawn, (0.025, 0.975))
        assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=0.01)


def test_without_a_single_error_the_interval_still_has_two_ends() -> None:
    local = figures(0.2, (40, 40), (60, 60))
    assert local.ppv.value == local.ppv.high == 1
    assert local.npv.value == local.npv.high == 1
    assert 0.5 < local.ppv.low < 1
    assert 0.9 < local.npv.low < 1


def test_the_probability_moves_with_the_prevalence() -> None:
    at_home = local_figures(0.7, manifest(prevalence=0.67), 0.67)
    rarer = local_figures(0.7, manifest(prevalence=0.67), 0.05)
    assert at_home.probability == 0.7
    # Odds of 7/3 times (0.05/0.95) / (0.67/0.33).
    odds = 7 / 3 * (0.05 / 0.95) / (0.67 / 0.33)
    assert rarer.probability == pytest.approx(odds / (1 + odds), abs=1e-4)


@pytest.mark.parametrize("certain", [0.0, 1.0])
def test_certainty_stays_certain(certain: float) -> None:
    assert shifted(certain, 0.6, 0.01) == certain


@pytest.mark.parametrize(
    "sensitivity",
    [None, 0.9, {"value": 0.9}, {"value": 0.9, "low": "0.8", "high": 1}, wilson(3, 9) | {"low": 2}],
)
def test_what_was_not_measured_is_not_said(sensitivity: Any) -> None:
    measured = manifest(sensitivity, wilson(9, 10))
    assert local_figures(0.7, measured, 0.1) == LocalFigures(0.1, None, None, None)
    bare = measured.model_copy(update={"metrics": None})
    assert local_figures(0.7, bare, 0.1).ppv is None
