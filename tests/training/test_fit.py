"""A run's claim on its folder, and the weights that it begins with."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.imaging import InputSpec
from training.config import Architecture, Recipe
from training.fit import RunFolder, claim_of
from training.networks import build_trainable, member_of, start_from

pytestmark = pytest.mark.tensorflow

SMALL = Architecture(stem_width=4, widths=(8,), depths=(1,))
SPEC = InputSpec(height=32, width=32)


def test_a_network_that_starts_from_a_member_answers_as_it_does() -> None:
    images = np.random.default_rng(0).random((3, 32, 32, 1), dtype=np.float32)
    member = member_of(build_trainable(SPEC, SMALL), SPEC, SMALL)
    other = build_trainable(SPEC, SMALL)
    start_from(other, member)
    again = member_of(other, SPEC, SMALL)
    np.testing.assert_allclose(again(images), member(images), atol=1e-6)


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
