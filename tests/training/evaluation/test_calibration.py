"""Calibration and operating point recover what made-up films were drawn from."""

import numpy as np
import pytest

from service.inference.probability import calibrate
from tests.training.evaluation.made_up import manifest, table
from training.data import DataError
from training.evaluation.calibration import Worlds, choose_threshold, fit_platt, table_of_worlds
from training.evaluation.operating_point import Scores, decide
from training.evaluation.statistics import expected_calibration_error

RNG = np.random.default_rng(0)


def sigmoid(values: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-values)))


def test_platt_recovers_slope_and_intercept() -> None:
    logits = RNG.normal(0, 3, 40_000)
    labels = (RNG.uniform(size=40_000) < sigmoid(0.5 * logits - 1)).astype(np.int64)
    found = fit_platt(labels, sigmoid(logits))
    assert found.slope == pytest.approx(0.5, abs=0.03)
    assert found.intercept == pytest.approx(-1, abs=0.05)


def test_platt_calibrates_for_the_share_asked_for() -> None:
    labels = np.repeat([1, 0], [15_000, 5_000])
    combined = sigmoid(3 * labels - 1.5 + RNG.normal(0, 1.5, 20_000))
    few = np.concatenate([np.arange(1_000), np.arange(15_000, 19_000)])  # one in five is sick
    calibration = fit_platt(labels, combined, 0.2, "made-up films")
    assert calibration.fitted_on == "made-up films; for a share of pneumonia of 0.20"
    scores = calibrate(combined, calibration)
    assert expected_calibration_error(labels[few], scores[few]) < 0.03
    assert expected_calibration_error(labels, scores) > 0.1


def test_networks_that_rank_the_wrong_way_round_cannot_be_calibrated() -> None:
    labels = np.array([0, 0, 1, 1])
    with pytest.raises(DataError, match="rank normals above"):
        fit_platt(labels, np.array([0.9, 0.8, 0.2, 0.1]))
    with pytest.raises(DataError, match="both classes"):
        fit_platt(np.array([1, 1]), np.array([0.9, 0.8]))


def worlds() -> Worlds:
    return Worlds(
        sick={"exchange": np.linspace(0.5, 0.99, 100), "suite": np.linspace(0.3, 0.99, 100)},
        normal={"home": np.linspace(0, 0.2, 50), "elsewhere": np.linspace(0, 0.6, 50)},
        watched={"clean": np.linspace(0.7, 0.99, 100)},
    )


def test_the_threshold_keeps_the_sensitivity_and_has_the_best_worst_specificity() -> None:
    made = worlds()
    threshold = choose_threshold(made, 0.95).value
    for values in made.sick.values():
        assert (values > threshold).mean() >= 0.95
    worst = min((values <= threshold).mean() for values in made.normal.values())
    for other in np.linspace(0.01, 0.99, 981):
        if all((values > other).mean() >= 0.95 for values in made.sick.values()):
            assert min((values <= other).mean() for values in made.normal.values()) <= worst
    # Where nothing is gained by going higher, it stays low.
    low = Worlds(made.sick, {"home": made.normal["home"]}, {})
    assert choose_threshold(low, 0.95).value == pytest.approx(0.2, abs=0.06)
    assert choose_threshold(low, 0.95).value >= 0.2


def test_where_no_threshold_keeps_the_sensitivity_the_lowest_is_taken() -> None:
    hopeless = Worlds({"exchange": np.zeros(10)}, {"home": np.array([0.2, 0.4])}, {})
    assert choose_threshold(hopeless, 0.95).value == pytest.approx(0.1)
    with pytest.raises(DataError, match="holds no films"):
        choose_threshold(Worlds({"exchange": np.array([])}, {"home": np.zeros(1)}, {}))


def test_all_worlds_are_reported_at_the_one_threshold() -> None:
    found = table_of_worlds(worlds(), 0.45)
    assert set(found["sensitivity"]) == {"exchange", "suite", "clean"}
    assert found["sensitivity"]["exchange"]["value"] == 1.0
    assert found["specificity"]["home"]["value"] == 1.0
    assert found["specificity"]["elsewhere"]["value"] == pytest.approx(0.74, abs=0.02)
    assert found["specificity"]["home"]["own_threshold"] == pytest.approx(0.184, abs=0.01)


def test_a_bundle_gets_calibration_threshold_and_the_figures_that_the_service_shows() -> None:
    labels = np.tile([0, 1], 200)
    logits = 4 * labels - 2 + RNG.normal(0, 1.2, 400)
    lifted = table([0] * 60, sigmoid(RNG.normal(-1, 1, 60)).tolist())
    clean = table(labels.tolist(), sigmoid(logits).tolist(), {"hard_block": np.arange(400) < 80})
    scores = Scores(
        clean=clean,
        exchanged=table(labels.tolist(), sigmoid(logits - 0.5).tolist()),
        suite={"blur": table(labels.tolist(), sigmoid(logits + 0.3).tolist())},
        external={
            "adults_montgomery": lifted,
            "children_11_to_17": lifted,
            "adults_nih": lifted.assign(view="PA"),
        },
    )
    new, found = decide(manifest(), scores)
    assert new.calibration.method == "platt"
    assert found["prevalence"] == 0.5
    assert found["sensitivity"]["frame exchange"]["value"] >= 0.95
    assert found["sensitivity"]["the perturbation suite"]["value"] >= 0.95
    assert found["specificity"]["hard blocks"]["n"] == 40
    assert found["specificity"]["NIH adults (PA)"]["n"] == 30
    assert new.threshold.value == found["threshold"]
    assert new.metrics
    shown = new.metrics.figures["ensemble"]
    assert isinstance(shown, dict)
    assert shown["specificity"] == new.members[0].metrics["specificity"]
    assert type(new).from_json(new.to_json().encode()) == new
