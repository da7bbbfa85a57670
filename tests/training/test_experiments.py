"""The page of experiments repeats what the run folders hold, and compares on equal folds."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from tests.training.made_up_runs import CONDITIONS, table_rows, write_run
from training import metrics
from training.__main__ import app
from training.config import Architecture, Augmentation, Recipe, Schedule
from training.data import DataError
from training.experiments import Question, changes, find, render, write
from training.judged import common_folds, judge
from training.suite import SUITE

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("few_draws")]

BASE = Recipe(name="base", seed=1)
OTHER = Recipe(name="other", seed=2, architecture=Architecture(squeeze=True))


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two recipes; the second has finished one fold more, and one that is still running."""
    folder = tmp_path / "runs"
    for fold in (0, 4):
        write_run(folder, BASE, fold, noise=0.25)
    for fold in (0, 2, 4):
        write_run(folder, OTHER, fold, noise=0.25)
    (folder / "other/fold-3").mkdir()
    (folder / "cache").mkdir()
    return folder


def test_recipes_with_a_finished_fold_are_found(runs: Path) -> None:
    assert {one.name: list(one.folds) for one in find(runs)} == {
        "base": [0, 4], "other": [0, 2, 4],
    }  # fmt: skip


def test_a_row_holds_the_pooled_figures_of_a_recipe(runs: Path) -> None:
    tables = [pd.read_csv(runs / f"base/fold-{fold}/predictions.csv") for fold in (0, 4)]
    pooled = pd.concat(tables)
    labels = pooled["label"].to_numpy()
    aucs = {name: metrics.auc(labels, pooled[name].to_numpy()) for name in CONDITIONS}
    row = table_rows(render(Question(runs, "base"), {}), "Recipes")[0]
    assert row["clean"].startswith(f"{aucs['clean']:.4f} (")
    mean = np.mean([aucs[name] for name in SUITE])
    assert row["perturbed"].startswith(f"{mean:.4f} (")
    worst = min(SUITE, key=lambda name: aucs[name])
    assert row["worst"] == f"{aucs[worst]:.4f} ({worst})"
    assert (row["folds"], row["minutes"]) == ("0, 4", "3.0")


def test_each_fold_has_a_row_of_its_own(runs: Path) -> None:
    rows = table_rows(render(Question(runs, "base"), {}), "Fold by fold")
    assert [(row["recipe"], row["fold"]) for row in rows] == [
        ("`base`", "0"), ("`base`", "4"), ("`other`", "0"), ("`other`", "2"), ("`other`", "4"),
    ]  # fmt: skip


def test_a_pair_is_compared_on_the_folds_that_all_have_finished(runs: Path) -> None:
    page = render(Question(runs, "base", pairs=("base+other",), controls=("other",)), {})
    rows = table_rows(page, "Pairs")
    assert [row["against"] for row in rows] == ["`base`", "`other`"]
    for row in rows:
        assert row["folds"] == "0, 4"
        pair, other = (
            float(row[name].split()[0]) for name in ("pair, perturbed", "other, perturbed")
        )
        assert float(row["difference, perturbed"].split()[0]) == pytest.approx(
            pair - other, abs=2e-4
        )


def test_two_noisy_members_are_better_together(runs: Path) -> None:
    row = table_rows(render(Question(runs, "base", pairs=("base+other",)), {}), "Pairs")[0]
    assert row["pair is"] == "better"
    assert float(row["difference, perturbed"].split("(")[1].split()[0]) > 0


def test_a_pair_is_not_compared_with_itself(runs: Path) -> None:
    question = Question(runs, "base", pairs=("base+other",), controls=("base+other",))
    assert len(table_rows(render(question, {}), "Pairs")) == 2


def test_recipes_that_differ_in_their_seed_alone_stand_together(runs: Path) -> None:
    assert "From seed to seed" not in render(Question(runs, "base"), {})
    for seed in (5, 6):
        again = BASE.model_copy(update={"name": f"base-{seed}", "seed": seed})
        write_run(runs, again, 4, noise=0.25)
    [row] = table_rows(render(Question(runs, "base"), {}), "From seed to seed")
    assert (row["seeds"], row["folds"]) == ("1, 5, 6", "4")
    each = [float(value) for value in row["perturbed, each"].split(", ")]
    assert each[0] == pytest.approx(judge(runs, "base", (4,)).mean.value, abs=1e-4)
    assert float(row["mean"]) == pytest.approx(np.mean(each), abs=1e-4)


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (BASE, "the base recipe"),
        (BASE.model_copy(update={"seed": 9}), "the base recipe"),
        (OTHER, "squeeze False → True"),
        (
            Recipe(name="x", augmentation=Augmentation(sides=(100, 120))),
            "sides 128 257 → 100 120",
        ),
        (
            Recipe(name="x", architecture=OTHER.architecture, start=OTHER,
                   schedule=Schedule(epochs=3)),
            "refines `other`: epochs 14 → 3",
        ),
    ],
)  # fmt: skip
def test_a_recipe_is_told_by_what_it_changes(recipe: Recipe, words: str) -> None:
    assert changes(recipe, BASE) == words


def test_a_summary_from_before_a_field_was_added_is_read(runs: Path) -> None:
    path = runs / "base/fold-0/summary.json"
    summary: dict[str, Any] = json.loads(path.read_text())
    del summary["recipe"]["augmentation"]["affine"]
    path.write_text(json.dumps(summary))
    assert next(find(runs)).recipe == BASE


def test_a_note_in_the_recipe_file_becomes_the_remark(runs: Path, tmp_path: Path) -> None:
    recipes = tmp_path / "recipes"
    recipes.mkdir()
    (recipes / "other.toml").write_text('name = "other"\nnote = """\nTried because\nit errs."""')
    write(Question(runs, "base"), recipes, tmp_path / "page.md")
    rows = table_rows((tmp_path / "page.md").read_text(), "Recipes")
    assert [row["remark"] for row in rows] == ["", "Tried because it errs."]


def test_the_command_writes_the_page(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "EXPERIMENTS.md"
    arguments = ["experiments", "--runs", runs, "--base", "base", "--pair", "base+other"]
    arguments += ["--recipes", tmp_path / "none", "--out", out]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    assert "--base base --pair base+other" in out.read_text()


def test_a_base_recipe_without_a_run_is_named(runs: Path) -> None:
    with pytest.raises(DataError, match="No fold of the recipe plain"):
        render(Question(runs, "plain"), {})


def test_a_pair_without_a_common_fold_is_named(runs: Path) -> None:
    write_run(runs, Recipe(name="late"), 1, noise=0.1)
    assert common_folds(runs, "base+late") == ()
    with pytest.raises(DataError, match="no finished fold in common"):
        render(Question(runs, "base", pairs=("base+late",)), {})


def test_a_summary_without_a_recipe_is_named(runs: Path) -> None:
    (runs / "base/fold-0/summary.json").write_text('{"recipe": {"title": "x"}}')
    with pytest.raises(DataError, match="base hold no recipe"):
        list(find(runs))
