"""A run's claim on its folder, and its neighbours."""

import json
from pathlib import Path
from typing import Any

import pytest

from training.config import Recipe
from training.fit import RunFolder, claim_of

pytestmark = pytest.mark.tensorflow


def test_a_claim_from_before_a_field_was_added_still_holds() -> None:
    recipe = Recipe(name="x")
    claim: dict[str, Any] = json.loads(json.dumps(claim_of(recipe, "digest")))
    del claim["recipe"]["schedule"]["average"]
    del claim["recipe"]["start"]
    assert claim_of(Recipe.model_validate(claim["recipe"]), claim["data"]) == claim_of(
        recipe, "digest"
    )


def test_another_recipe_s_folder_is_beside_ones_own() -> None:
    folder = RunFolder(Path("runs"), "refined", 3)
    assert folder.of(Recipe(name="base")).path == Path("runs/base/fold-3")
