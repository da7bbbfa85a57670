"""The audit tells a shortcut from a sign in tables where it is known which is which."""

import numpy as np
import pytest

from tests.training.evaluation.made_up import manifest, table
from training.evaluation.audit import audit

RNG = np.random.default_rng(0)
COUNT = 500
LABELS = RNG.integers(0, 2, COUNT)
FRAMING = 0.3 * LABELS + RNG.normal(0, 0.15, COUNT)
DISEASE = LABELS + RNG.normal(0, 0.5, COUNT)


def sigmoid(values: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-values)))


def test_networks_that_read_the_frame_are_found_out() -> None:
    scores = sigmoid(8 * (FRAMING - 0.15))
    found = audit(table(LABELS.tolist(), scores.tolist(), {"left": FRAMING}), manifest())
    assert found["nuisance_auc"]["value"] > 0.85
    assert found["auc"]["value"] > 0.9
    # Not down to 0.5: a fitted model's bins keep a little of the framing within them.
    assert found["alike_auc"]["value"] < 0.75
    strongest = found["above_limit"][0]
    assert (strongest["nuisance"], strongest["rank_correlation"]) == ("left", 1.0)


def test_networks_that_read_the_disease_pass() -> None:
    scores = sigmoid(3 * (DISEASE - 0.5))
    found = audit(table(LABELS.tolist(), scores.tolist(), {"left": FRAMING}), manifest())
    assert found["above_limit"] == []
    assert found["alike_auc"]["value"] == pytest.approx(found["auc"]["value"], abs=0.03)


def test_a_nuisance_that_is_not_known_of_some_films_is_ranked_among_the_others() -> None:
    left = np.where(np.arange(COUNT) < 300, FRAMING, np.nan)
    scores = sigmoid(8 * (FRAMING - 0.15))
    found = audit(table(LABELS.tolist(), scores.tolist(), {"left": left}), manifest())
    assert found["lungs_known"] == 300
    ranked = [row["films"] for row in found["ranks"] if row["nuisance"] == "left"]
    assert sum(ranked) == 300
