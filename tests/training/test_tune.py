"""A study goes on where it stopped, judges all trials alike and keeps a table of them."""

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.trial import TrialState
from typer.testing import CliRunner

from service.imaging import InputSpec
from tests.training.conftest import write_data_set
from training import tune as module
from training.__main__ import app
from training.config import Architecture, Recipe, Schedule
from training.data import DataError
from training.dataset import Dataset, load_dataset
from training.search import SPACE, Cost, point_of
from training.suite import QUICK_SUITE
from training.trials import trials_table, write_trials
from training.tune import CONDITIONS, Protocol, Study, best_recipe, tune

pytestmark = [
    pytest.mark.tensorflow,
    # Keras' TensorFlow backend has not followed NumPy 2 in training.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

BASE = Recipe(
    name="base",
    input=InputSpec(height=32, width=32),
    architecture=Architecture(stem_width=4, widths=(8,), depths=(1,)),
    schedule=Schedule(batch=16, workers=1),
)
PROTOCOL = Protocol(BASE, folds=(1, 4), side=32, epochs=3, images_per_epoch=16)


@dataclass
class FakeTraining:
    """Stands in for ``train``: gives each epoch the AUC that a rule gives the recipe."""

    rule: Callable[[Recipe], float]
    recipes: list[Recipe] = field(default_factory=list)
    folds: list[int | None] = field(default_factory=list)

    def __call__(
        self, _: Dataset, recipe: Recipe, folder: Any, training: Any, watch: Any, further: Any
    ) -> None:
        self.recipes.append(recipe)
        self.folds.append(folder.fold)
        value = self.rule(recipe)
        labels = np.array([patient.startswith("person") for patient in watch.patients])
        watch.probabilities = {name: np.where(labels, value, 1 - value) for name in CONDITIONS}
        for epoch in range(recipe.schedule.epochs):
            for callback in further:
                callback.on_epoch_end(epoch, {f"held_out_auc_{name}": value for name in CONDITIONS})


class FakeWatch:
    """Stands in for ``HeldOutScore``, which would prepare images that nothing looks at."""

    def __init__(self, dataset: Dataset, records: Any, spec: InputSpec) -> None:
        self.patients = [record.patient for record in records]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = tmp_path_factory.mktemp("tune")
    return load_dataset(write_data_set(root / "chest_xray", side=40), root / "cache")


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch) -> FakeTraining:
    fake = FakeTraining(lambda recipe: 1 - recipe.architecture.dropout / 2)
    monkeypatch.setattr(module, "train", fake)
    monkeypatch.setattr(module, "HeldOutScore", FakeWatch)
    monkeypatch.setattr(module, "cost_of", lambda _: Cost(parameters=1, gflop=0.1))
    monkeypatch.setattr("keras.utils.clear_session", lambda: None)
    return fake


def studied(dataset: Dataset, runs: Path, count: int, protocol: Protocol = PROTOCOL) -> Study:
    return list(tune(dataset, protocol, runs, count))[-1]


def test_the_first_trial_is_the_base_recipe(
    dataset: Dataset, tmp_path: Path, training: FakeTraining
) -> None:
    study = studied(dataset, tmp_path, 1)
    assert study.trials.trials[0].params == point_of(BASE)
    assert training.recipes[0].architecture == BASE.architecture


def test_the_value_is_the_mean_over_folds_and_perturbations(
    dataset: Dataset, tmp_path: Path, training: FakeTraining
) -> None:
    training.rule = lambda _: 0.6 if len(training.folds) % 2 else 0.8
    study = studied(dataset, tmp_path, 1)
    assert training.folds == [1, 4]
    assert study.trials.trials[0].value == pytest.approx(0.7)
    assert sorted(study.trials.trials[0].intermediate_values) == [1, 2, 3, 4, 5, 6]


def test_a_study_that_is_called_again_only_adds_what_is_missing(
    dataset: Dataset, tmp_path: Path, training: FakeTraining
) -> None:
    first = studied(dataset, tmp_path, 3)
    before = [trial.params for trial in first.trials.trials]
    again = studied(dataset, tmp_path, 3)
    assert [trial.params for trial in again.trials.trials] == before
    assert len(training.folds) == 2 * len(before)


@pytest.mark.usefixtures("training")
def test_an_interrupted_study_proposes_what_an_uninterrupted_one_does(
    dataset: Dataset, tmp_path: Path
) -> None:
    whole = studied(dataset, tmp_path / "whole", 6)
    for count in (2, 4, 6):
        parts = studied(dataset, tmp_path / "parts", count)
    assert [t.params for t in parts.trials.trials] == [t.params for t in whole.trials.trials]


def test_a_trial_that_was_cut_off_is_marked_and_tried_again(
    dataset: Dataset, tmp_path: Path, training: FakeTraining
) -> None:
    def cut_off(_: Recipe) -> float:
        if len(training.recipes) == 3:
            raise KeyboardInterrupt
        return 0.5

    training.rule = cut_off
    with pytest.raises(KeyboardInterrupt):
        studied(dataset, tmp_path, 2)
    study = studied(dataset, tmp_path, 2)
    first, cut, again = study.trials.trials
    assert [t.state for t in (first, cut, again)] == [
        TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE,
    ]  # fmt: skip
    assert again.params == cut.params
    rows = trials_table(study)
    assert list(rows["state"]) == ["finished", "interrupted", "finished"]
    assert rows["remark"][2] == "again trial 1"


def test_a_trial_that_lags_behind_is_ended(
    dataset: Dataset, tmp_path: Path, training: FakeTraining
) -> None:
    training.rule = lambda _: 0.9 if len(training.recipes) < 11 else 0.6
    study = studied(dataset, tmp_path, 6)
    last = study.trials.trials[-1]
    assert last.state == TrialState.PRUNED
    assert last.user_attrs["epochs"] == 2
    assert trials_table(study)["mean"][5] == 0.6


def test_a_network_that_costs_too_much_is_not_trained_and_does_not_count(
    dataset: Dataset, tmp_path: Path, training: FakeTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    widths: list[int] = []

    def cost(recipe: Recipe) -> Cost:
        widths.append(recipe.architecture.stem_width)
        return Cost(parameters=10**9 if len(widths) == 2 else 1, gflop=0.1)

    monkeypatch.setattr(module, "cost_of", cost)
    study = studied(dataset, tmp_path, 2)
    assert list(trials_table(study)["state"]) == ["finished", "too large", "finished"]
    assert len(training.recipes) == 2 * len(PROTOCOL.folds)


@pytest.mark.usefixtures("training")
def test_a_study_of_another_protocol_is_not_gone_on_with(dataset: Dataset, tmp_path: Path) -> None:
    studied(dataset, tmp_path, 1)
    other = Protocol(BASE, folds=(4,), side=32, epochs=3, images_per_epoch=16)
    with pytest.raises(DataError, match="another protocol"):
        studied(dataset, tmp_path, 1, other)


@pytest.mark.usefixtures("training")
def test_two_processes_do_not_work_on_one_study(dataset: Dataset, tmp_path: Path) -> None:
    at_work = tune(dataset, PROTOCOL, tmp_path, 2)
    next(at_work)
    with pytest.raises(DataError, match="Another process"):
        studied(dataset, tmp_path, 2)
    at_work.close()
    studied(dataset, tmp_path, 2)


def test_a_fold_that_does_not_exist_is_named(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no fold 5"):
        studied(dataset, tmp_path, 1, Protocol(BASE, folds=(5,)))


def test_without_a_finished_trial_there_is_no_best_one(dataset: Dataset, tmp_path: Path) -> None:
    study = studied(dataset, tmp_path, 0)
    with pytest.raises(DataError, match="No trial"):
        best_recipe(study, "best")
    assert "has not finished yet" in write_trials(study, tmp_path / "table").read_text()


def test_the_page_says_by_how_much_the_best_trial_exceeds_the_base_recipe(
    dataset: Dataset, tmp_path: Path, training: FakeTraining
) -> None:
    # Right for every patient where little is dropped out, wrong for every one elsewhere.
    training.rule = lambda recipe: 0.9 if recipe.architecture.dropout < 0.3 else 0.2
    study = studied(dataset, tmp_path, 6)
    page = write_trials(study, tmp_path / "table").read_text()
    assert "exceeds the recipe `base` (trial 0) by 1.0000" in page
    assert "does not contain zero" in page
    best = best_recipe(study, "best")
    assert best.architecture.dropout < 0.3
    assert best.input == BASE.input
    assert best.schedule.epochs == BASE.schedule.epochs


def test_the_page_says_when_nothing_beats_the_base_recipe(
    dataset: Dataset, tmp_path: Path, training: FakeTraining
) -> None:
    training.rule = lambda recipe: 0.9 if recipe.architecture.dropout == 0.3 else 0.8
    study = studied(dataset, tmp_path, 3)
    page = write_trials(study, tmp_path / "table").read_text()
    assert "No trial beats the recipe `base` (trial 0)." in page


def test_the_command_trains_and_writes_table_and_winner(tmp_path: Path) -> None:
    """The one test here that really trains."""
    data = write_data_set(tmp_path / "chest_xray", side=40)
    recipe = tmp_path / "base.toml"
    recipe.write_text(
        'name = "base"\n[input]\nheight = 48\nwidth = 48\n'
        "[architecture]\nstem_width = 4\nwidths = [8]\ndepths = [1]\n"
        "[schedule]\nbatch = 16\nworkers = 1\n"
    )
    arguments = [
        "tune", "--data", data, "--recipe", recipe, "--runs", tmp_path / "runs",
        "--trials", 1, "--side", 32, "--epochs", 2, "--images", 32,
        "--table", tmp_path / "table", "--winner", tmp_path / "base_tuned.toml",
    ]  # fmt: skip
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    with (tmp_path / "table/trials.csv").open() as file:
        [row] = csv.DictReader(file)
    assert row["state"] == "finished"
    assert {*QUICK_SUITE, *SPACE, "seconds", "seed"} <= set(row)
    mean = sum(float(row[name]) for name in QUICK_SUITE) / len(QUICK_SUITE)
    assert float(row["mean"]) == pytest.approx(mean, abs=2e-4)
    page = (tmp_path / "table/TUNING.md").read_text()
    assert "2 epochs of 32 images" in re.sub(r"\s+", " ", page)
    winner = Recipe.read(tmp_path / "base_tuned.toml")
    assert (winner.name, winner.input.height) == ("base-tuned", 48)
    assert list((tmp_path / "runs/tune/trial-0").rglob("resume")) == []
