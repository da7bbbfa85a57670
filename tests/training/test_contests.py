"""Two recipes are compared seed by seed, on the patients and folds that both have."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.training.made_up_runs import table_rows, write_run
from training.__main__ import app
from training.config import Architecture, Recipe
from training.contests import contest, seedless
from training.data import DataError
from training.experiments import Question, find, render
from training.metrics import Interval

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("few_draws")]

GOOD = Recipe(name="good", seed=1)
POOR = Recipe(name="poor", seed=1, architecture=Architecture(squeeze=True))


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Seeds 1, 11 and 12 of a good recipe; 1, 11 and 13 of a poor one."""
    for recipe, noise, seeds in ((GOOD, 0.2, (1, 11, 12)), (POOR, 0.8, (1, 11, 13))):
        for seed in seeds:
            write_run(tmp_path, recipe.reseeded(seed), 4, noise=noise)
    write_run(tmp_path, GOOD, 0, noise=0.2)
    return tmp_path


def recipes(runs: Path) -> dict[str, Recipe]:
    return {one.name: one.recipe for one in find(runs)}


def test_only_seeds_and_folds_that_both_have_finished_count(runs: Path) -> None:
    found = contest(runs, recipes(runs), "good>poor")
    assert (found.seeds, found.folds) == ((1, 11), (4,))


def test_the_gain_is_the_mean_of_the_seeds_gains(runs: Path) -> None:
    found = contest(runs, recipes(runs), "good>poor")
    gains = [
        mine.mean.value - other.mean.value
        for mine, other in zip(found.ours, found.theirs, strict=True)
    ]
    # The figures of a recipe are rounded to four digits.
    assert found.gain.value == pytest.approx(np.mean(gains), abs=1e-4)
    assert found.noise == pytest.approx(abs(gains[0] - gains[1]) / 2)


def test_each_side_may_be_asked_about(runs: Path) -> None:
    assert contest(runs, recipes(runs), "good>poor").verdict == "better"
    assert contest(runs, recipes(runs), "poor>good").verdict == "worse"
    assert contest(runs, recipes(runs), "good>good").verdict == "level"


def test_a_gain_within_the_noise_of_the_seeds_is_no_gain(runs: Path) -> None:
    found = contest(runs, recipes(runs), "good>poor")
    small = Interval(value=found.noise / 2, low=found.noise / 4, high=found.noise)
    assert replace(found, gain=small).verdict == "level"
    assert replace(found, gain=Interval(*(3 * found.noise for _ in range(3)))).verdict == "better"


def test_the_name_that_was_asked_for_counts(runs: Path) -> None:
    write_run(runs, GOOD.model_copy(update={"name": "zz-copy-of-good"}), 2, noise=0.2)
    assert contest(runs, recipes(runs), "good>poor").folds == (4,)


def test_one_seed_says_nothing_of_the_noise(runs: Path) -> None:
    alone = {name: recipe for name, recipe in recipes(runs).items() if recipe.seed == 1}
    found = contest(runs, alone, "good>poor")
    assert math.isnan(found.noise)
    assert found.verdict == "level"


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("good>none", "No fold of the recipe 'none' is finished"),
        ("good", "between two recipes, 'A>B'. Received: 'good'"),
        ("good>", "between two recipes"),
        ("good-seed-12>late", "have no seed in common"),
        ("good>early", "have no finished fold in common"),
    ],
)
def test_what_cannot_be_compared_is_named(runs: Path, question: str, words: str) -> None:
    write_run(runs, Recipe(name="late", seed=9, input=GOOD.input, precision="mixed_bfloat16"), 4,
              noise=0.1)  # fmt: skip
    write_run(runs, Recipe(name="early", architecture=Architecture(dropout=0)), 2, noise=0.1)
    with pytest.raises(DataError, match=words):
        contest(runs, recipes(runs), question)


def test_the_page_holds_a_row_for_each_question(runs: Path) -> None:
    page = render(Question(runs, "good", contests=("good>poor", "poor>good")), {})
    rows = table_rows(page, "Over several seeds")
    assert [(row["recipe"], row["it is"]) for row in rows] == [
        ("`good`", "better"), ("`poor`", "worse"),
    ]  # fmt: skip
    assert "--contest 'good>poor'" in page


def test_the_command_takes_questions(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.md"
    arguments = ["experiments", "--runs", runs, "--base", "good", "--contest", "good>poor"]
    arguments += ["--recipes", tmp_path / "none", "--out", out]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    assert "## Over several seeds" in out.read_text()


def test_another_seed_is_another_run_of_the_same_recipe() -> None:
    again = GOOD.reseeded(11)
    assert (again.name, again.seed) == ("good-seed-11", 11)
    assert seedless(again) == seedless(GOOD)
    assert GOOD.reseeded(GOOD.seed) is GOOD


def test_another_seed_starts_from_the_same_run() -> None:
    refined = Recipe(name="refined", start=GOOD)
    assert refined.reseeded(3).start == GOOD
