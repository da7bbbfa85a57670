"""The stated error holds on films that had no part in the choice."""

from typing import Any

import numpy as np
import pytest

from tests.fake_engine import fake_bundle
from training.data import DataError
from training.evaluation.card import card
from training.evaluation.conformal import (
    Table,
    bounds,
    cautious_bounds,
    coverage,
    curve,
    curve_table,
    held_out,
    indeterminate,
)


def answers(count: int, *, seed: int = 0, apart: float = 2.0) -> Table:
    """Two classes whose logits are normal, ``apart`` standard deviations from each other."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, count)
    logits = generator.normal(size=count) + apart * (labels - 0.5)
    return Table(labels, 1 / (1 + np.exp(-2 * logits)), np.arange(count) % 5)


def shares_wrong(table: Table, lower: float, upper: float) -> tuple[float, float]:
    normal, sick = (table.probabilities[table.labels == label] for label in (0, 1))
    return float((normal > upper).mean()), float((sick < lower).mean())


@pytest.mark.parametrize("error", [0.02, 0.05, 0.1])
def test_the_error_of_each_class_is_bounded_in_expectation(error: float) -> None:
    """Over many calibrations on 300 films: at most so many others are wrong, and not far fewer."""
    fresh = answers(20_000, seed=999)
    found = [
        shares_wrong(fresh, *bounds(answers(300, seed=seed), error, 0.5)) for seed in range(200)
    ]
    mean = np.mean(found, axis=0)
    assert (mean <= error * 1.1).all()
    assert (mean >= error * 0.6).all()


def test_a_smaller_error_asks_for_a_wider_range() -> None:
    table = answers(2000)
    ranges = [bounds(table, error, 0.5) for error in (0.1, 0.05, 0.01)]
    lower, upper = zip(*ranges, strict=True)
    assert list(lower) == sorted(lower, reverse=True)
    assert list(upper) == sorted(upper)
    assert coverage(table, *ranges[0]) > coverage(table, *ranges[2])


def test_classes_that_are_well_apart_leave_the_threshold_alone_indeterminate() -> None:
    lower, upper = bounds(answers(500, apart=40.0), 0.05, 0.31)
    assert lower == upper == 0.31


def test_too_few_films_are_refused() -> None:
    with pytest.raises(DataError, match=r"An error of 0\.01 needs 99 films of each class"):
        bounds(answers(60), 0.01, 0.5)


def blocks(count: int, seed: int = 0, shift: float = 0.0) -> Table:
    """Answers whose normals have higher logits by ``shift`` in one block of five."""
    table = answers(count, seed=seed, apart=4.0)
    moved = (table.folds == 2) & (table.labels == 0)
    logits = np.log(table.probabilities / (1 - table.probabilities)) + shift * moved
    return Table(table.labels, 1 / (1 + np.exp(-logits)), table.folds)


def test_the_entry_takes_the_widest_range_of_all_worlds() -> None:
    clean, harder = answers(1000, apart=4.0), answers(1000, seed=1, apart=1.5)
    entry = indeterminate({"clean": clean, "other frames": harder}, 0.05, 0.5, "drawn numbers")
    assert (entry.lower, entry.upper) == cautious_bounds({"other frames": harder}, 0.05, 0.5)
    assert entry.coverage == pytest.approx(coverage(clean, entry.lower, entry.upper), abs=1e-4)
    assert entry.target == 0.05


def test_the_range_holds_in_every_block_that_chose_it() -> None:
    table = blocks(3000, shift=2.0)
    lower, upper = cautious_bounds({"clean": table}, 0.05, 0.5)
    for fold in range(5):
        wrong = shares_wrong(table.where(table.folds == fold), lower, upper)
        assert max(wrong) <= 0.05
    together = bounds(table, 0.05, 0.5)
    assert lower <= together[0]
    assert upper > together[1]


def test_the_stated_error_is_what_the_worst_block_shows() -> None:
    """A block unlike the others is not known to them: the target does not hold there."""
    entry = indeterminate({"clean": blocks(3000, shift=4.0)}, 0.02, 0.5, "drawn numbers")
    found: dict[str, Any] = entry.metrics
    assert entry.target == 0.02
    assert entry.error == pytest.approx(found["worst_normal"], abs=0.001)
    assert found["worst_normal"] > 0.05 > entry.target >= found["best_normal"]
    assert found["normal"]["low"] <= found["normal"]["value"] <= found["normal"]["high"]
    assert found["folds"] == 5


def test_blocks_that_are_alike_keep_the_target() -> None:
    entry = indeterminate({"clean": blocks(20_000)}, 0.05, 0.5, "drawn numbers")
    assert entry.error == entry.target == 0.05


def test_a_block_where_nothing_holds_is_refused() -> None:
    with pytest.raises(DataError, match="no range that other blocks choose holds there"):
        indeterminate({"clean": blocks(3000, shift=30.0)}, 0.02, 0.5, "drawn numbers")


def test_one_block_alone_cannot_be_tried() -> None:
    table = answers(500)
    alone = Table(table.labels, table.probabilities, np.zeros(500, np.int64))
    with pytest.raises(DataError, match="needs two folds"):
        held_out({"clean": alone}, 0.05, 0.5)


def test_the_curve_is_measured_on_folds_that_were_left_out() -> None:
    rows: list[dict[str, Any]] = list(curve({"clean": blocks(3000, shift=4.0)}, 0.5))
    assert [row["error"] for row in rows] == [0.005, 0.01, 0.02, 0.03, 0.05, 0.1]
    for row in rows:
        assert row["pneumonia"]["value"] <= row["error"] + 0.01
        assert row["worst_normal"] > row["normal"]["value"] > row["best_normal"]
    assert [row["coverage"] for row in rows] == sorted(row["coverage"] for row in rows)
    assert "| 5.0% |" in curve_table(rows)


def test_errors_that_the_films_do_not_suffice_for_are_left_out() -> None:
    errors = [row["error"] for row in curve({"clean": answers(200)}, 0.5)]
    assert errors == [0.02, 0.03, 0.05, 0.1]


def test_the_card_states_the_error_that_was_found() -> None:
    entry = indeterminate({"clean": blocks(3000, shift=4.0)}, 0.02, 0.5, "drawn numbers")
    text = card(fake_bundle().manifest.model_copy(update={"indeterminate": entry}), {})
    found: dict[str, Any] = entry.metrics
    assert f"**Stated error: {entry.error:.1%}**" in text
    assert f"to {100 * found['worst_normal']:.1f} % were called pneumonia" in text.replace(
        "\n", " "
    )
    assert curve_table(found["curve"]).strip() in text
