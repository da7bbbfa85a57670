"""Recipes are read whole, or refused by the name of the field."""

from pathlib import Path

import pytest

from training.data import DataError
from training.fit.recipe import RECIPES, LungsRecipe, MemberRecipe


def test_the_shipped_recipes_make_a_pair_that_differs_in_what_it_sees() -> None:
    first, second = (
        MemberRecipe.read(RECIPES / f"{name}.toml") for name in ("lung_field", "lungs_only")
    )
    assert (first.view, second.view) == ("lung_field", "lungs_only")
    schedule = second.schedule.model_copy(update={"epochs": first.schedule.epochs})
    assert first.schedule == schedule
    differing = {"name", "view", "schedule"}
    assert first.model_dump(exclude=differing) == second.model_dump(exclude=differing)
    assert LungsRecipe.read(RECIPES / "lungs.toml").schedule.steps == 75


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (("side = 192", "side = 190"), "side"),
        (('view = "lung_field"', 'view = "whole_frame"'), "view"),
        (("epochs = 5", "epochs = 0"), "schedule.epochs"),
        (("epochs = 5", "epochs = 5\nepoch = 7"), "schedule.epoch"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, change: tuple[str, str], field: str) -> None:
    text = (RECIPES / "lung_field.toml").read_text()
    assert change[0] in text
    path = tmp_path / "recipe.toml"
    path.write_text(text.replace(*change))
    with pytest.raises(DataError, match=rf"recipe\.toml, field {field}:"):
        MemberRecipe.read(path)


@pytest.mark.parametrize("text", [None, "name = "])
def test_a_file_that_is_no_recipe_is_named(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "recipe.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match="cannot be read"):
        MemberRecipe.read(path)
