"""Recipes are read strictly: a typing error is named instead of ignored."""

from pathlib import Path

import pytest

from training.config import Recipe
from training.data import DataError

RECIPES = sorted(Path("training/recipes").glob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_shipped_recipe_is_valid_and_named_like_its_file(path: Path) -> None:
    assert Recipe.read(path).name.replace("-", "_") == path.stem


def test_the_shipped_recipes_have_one_input() -> None:
    assert len({Recipe.read(path).input for path in RECIPES}) == 1


def test_a_recipe_that_starts_from_another_holds_it(tmp_path: Path) -> None:
    (tmp_path / "first.toml").write_text('name = "first"\nseed = 7')
    (tmp_path / "second.toml").write_text('name = "second"\nstart = "first.toml"')
    start = Recipe.read(tmp_path / "second.toml").start
    assert start is not None
    assert (start.name, start.seed) == ("first", 7)
    chain = Recipe.read(tmp_path / "second.toml").chain
    assert [recipe.name for recipe in chain] == ["first", "second"]
    assert {recipe.member for recipe in chain} == {"whole-frame"}


def test_a_recipe_that_starts_from_itself_or_from_another_network_is_refused(
    tmp_path: Path,
) -> None:
    path = tmp_path / "own.toml"
    path.write_text('name = "own"\nstart = "own.toml"')
    with pytest.raises(DataError, match="starts from itself"):
        Recipe.read(path)
    (tmp_path / "wide.toml").write_text('name = "wide"\n[architecture]\nstem_width = 99')
    path.write_text('name = "own"\nstart = "wide.toml"')
    with pytest.raises(DataError, match="another architecture or input"):
        Recipe.read(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('name = "x"\n[schedule]\nepoch = 3', "schedule.epoch: Extra inputs"),
        ('name = "x"\n[schedule]\nepochs = 1', "warmup_epochs leaves no epoch"),
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
