"""Members' probabilities become one, and calibration moves it without changing any order."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.inference import Calibration
from service.inference.probability import calibrate, calibrated, combine, combined

_PROBABILITY = st.floats(0, 1)


def test_the_mean_of_two_probabilities_is_exact() -> None:
    scores = np.array([[0.25, 0.75], [0.0, 1.0], [0.0, 0.0]])

    assert combine(scores, "mean").tolist() == [0.5, 0.5, 0.0]


def test_the_mean_logit_is_the_sigmoid_of_the_mean_of_the_logits() -> None:
    logits = (math.log(0.9 / 0.1) + math.log(0.6 / 0.4)) / 2

    combined = combine(np.array([[0.9, 0.6]]), "mean_logit")

    assert combined == pytest.approx([1 / (1 + math.exp(-logits))], abs=1e-12)


def test_without_calibration_the_probability_stays() -> None:
    assert calibrate(np.array([0.0, 0.1234, 1.0]), Calibration()).tolist() == [0.0, 0.1234, 1.0]


def test_a_slope_below_one_pulls_towards_one_half() -> None:
    calibration = Calibration(method="platt", slope=0.5)

    assert calibrate(np.array([0.9, 0.5]), calibration) == pytest.approx([0.75, 0.5])


def test_platt_scaling_shifts_the_logit() -> None:
    calibration = Calibration(method="platt", slope=2, intercept=-1)

    assert calibrate(np.array([0.5]), calibration) == pytest.approx([1 / (1 + math.e)])


@settings(deadline=None)
@given(
    lower=_PROBABILITY,
    higher=_PROBABILITY,
    slope=st.floats(1e-3, 1e6),
    intercept=st.floats(-1e3, 1e3),
)
def test_calibration_never_swaps_two_probabilities(
    lower: float, higher: float, slope: float, intercept: float
) -> None:
    lower, higher = sorted((lower, higher))
    calibration = Calibration(method="platt", slope=slope, intercept=intercept)

    first, second = calibrate(np.array([lower, higher]), calibration)

    assert 0 <= first <= second <= 1


@settings(deadline=None)
@given(lower=_PROBABILITY, higher=_PROBABILITY, other=_PROBABILITY)
@pytest.mark.parametrize("rule", ["mean", "mean_logit"])
def test_the_combination_never_falls_when_a_member_rises(
    rule: Any, lower: float, higher: float, other: float
) -> None:
    lower, higher = sorted((lower, higher))

    first, second = combine(np.array([[lower, other], [higher, other]]), rule)

    assert 0 <= first <= second <= 1


@given(first=st.floats(0, 1), second=st.floats(0, 1))
def test_the_ensembles_probability_lies_between_its_members(first: float, second: float) -> None:
    calibration = Calibration(method="platt", slope=1.5, intercept=3.0)
    members = np.array([[first, second]])

    own = calibrate(combine(members, "mean"), calibration)[0]

    low, high = sorted(calibrate(members, calibration)[0])
    assert low - 1e-12 <= own <= high + 1e-12


@pytest.mark.parametrize("rule", ["mean", "mean_logit"])
def test_a_table_is_combined_row_by_row(rule: Any) -> None:
    scores = np.array([[0.1, 0.7, 0.2], [0.9, 0.95, 1.0]], np.float32)

    table = combine(scores, rule)

    assert table.dtype == np.float64
    assert table.tolist() == [combined(row, rule) for row in scores.tolist()]


@pytest.mark.parametrize("shape", [(0,), (6,), (2, 3), (1, 2, 3)])
def test_an_array_is_calibrated_in_its_own_shape(shape: tuple[int, ...]) -> None:
    calibration = Calibration(method="platt", slope=1.5, intercept=-0.5)
    probabilities = np.linspace(0, 1, math.prod(shape)).reshape(shape)

    own = calibrate(probabilities, calibration)

    assert (own.shape, own.dtype) == (shape, np.dtype(np.float64))
    assert own.ravel().tolist() == [
        calibrated(each, calibration) for each in probabilities.ravel().tolist()
    ]


@pytest.mark.parametrize(("slope", "last"), [(1.0, 1e-7), (2.0, 1e-14)])
def test_the_last_resolvable_probability_keeps_its_digits(slope: float, last: float) -> None:
    calibration = Calibration(method="platt", slope=slope, intercept=0.0)

    assert calibrated(0.0, calibration) == pytest.approx(last, rel=1e-6)
    assert 1 - calibrated(1.0, calibration) == pytest.approx(last, rel=1e-2)
