"""A run's claim on its folder, and its neighbours."""

import json
from pathlib import Path
from typing import Any

import pytest

from training.config import Recipe
from training.data import DataError
from training.dataset import load_dataset
from training.fit import RunFolder, claim_of, fit

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


def test_a_folder_whose_recipe_is_valid_no_more_is_another_run_s(
    tmp_path: Path, data_set: Path
) -> None:
    dataset = load_dataset(data_set, tmp_path / "cache")
    recipe = Recipe(name="x")
    folder = RunFolder(tmp_path, "x", 0)
    folder.path.mkdir(parents=True)
    claim = claim_of(recipe, dataset.scan.digest)
    claim["recipe"]["schedule"]["epochs"] = 1  # nothing is left after warming up
    folder.claim.write_text(json.dumps(claim))
    with pytest.raises(DataError, match="another recipe"):
        fit(dataset, recipe, folder)
