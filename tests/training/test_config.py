"""Recipes are read strictly: a typing error is named instead of ignored."""

from pathlib import Path

import pytest

from training.config import Recipe
from training.data import DataError

RECIPES = sorted(Path("training/recipes").glob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_shipped_recipe_is_valid_and_named_like_its_file(path: Path) -> None:
    assert Recipe.read(path).name.replace("-", "_") == path.stem


def test_there_are_two_shipped_recipes_with_one_input() -> None:
    assert len({Recipe.read(path).input for path in RECIPES}) == 1
    assert len(RECIPES) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('name = "x"\n[schedule]\nepoch = 3', "schedule.epoch: Extra inputs"),
        ('name = "x"\n[architecture]\ndropout = 2', "architecture.dropout"),
        ("name = ", "not valid TOML"),
        ("seed = 1", "name: Field required"),
    ],
)
def test_a_bad_recipe_is_explained(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        Recipe.read(path)


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no recipe"):
        Recipe.read(tmp_path / "none.toml")
