"""The search space holds the base recipe, and every point of it is a recipe that may be shipped."""

from pathlib import Path

import optuna
import pytest

from service.imaging import InputSpec
from training.config import Architecture, Augmentation, Recipe, Schedule
from training.data import DataError
from training.recipe_file import write_recipe
from training.search import (
    MAX_PARAMETERS,
    SPACE,
    Cost,
    cost_of,
    point_of,
    recipe_at,
    shortened,
)

BASE = Recipe.read(Path("training/recipes/whole_frame.toml"))


def test_the_base_recipe_s_own_point_gives_the_base_recipe() -> None:
    own = recipe_at(BASE, point_of(BASE), BASE.name)
    assert own.model_dump() == BASE.model_dump()


def test_any_point_is_a_valid_recipe_that_a_file_can_hold(tmp_path: Path) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for number in range(30):
        point = study.ask(fixed_distributions=SPACE).params
        recipe = recipe_at(BASE, point, f"point-{number}")
        write_recipe(recipe, tmp_path / "recipe.toml")
        assert Recipe.read(tmp_path / "recipe.toml") == recipe


def test_a_written_note_is_read_again(tmp_path: Path) -> None:
    noted = BASE.model_copy(update={"note": 'Says "why",\nin two lines.'})
    write_recipe(noted, tmp_path / "noted.toml")
    assert Recipe.read(tmp_path / "noted.toml").note == noted.note


def test_a_refining_recipe_is_neither_tuned_nor_written(tmp_path: Path) -> None:
    refining = Recipe(name="refining", start=Recipe(name="first"))
    with pytest.raises(DataError, match="refines another"):
        point_of(refining)
    with pytest.raises(ValueError, match="refining"):
        write_recipe(refining, tmp_path / "refining.toml")


def test_a_base_recipe_outside_of_the_space_is_refused_by_its_parameter() -> None:
    wild = BASE.model_copy(update={"architecture": Architecture(dropout=0.9)})
    with pytest.raises(DataError, match=r"dropout 0\.9"):
        point_of(wild)


def test_strength_widens_the_photometric_ranges_and_leaves_their_shares() -> None:
    strong = recipe_at(BASE, point_of(BASE) | {"strength": 1.5}, "strong").augmentation
    default = Augmentation()
    assert strong.gamma == 1.5 * default.gamma
    assert strong.jpeg_quality[0] < default.jpeg_quality[0]
    assert strong.jpeg_quality[1] == default.jpeg_quality[1]
    assert strong.blur_radius[1] > default.blur_radius[1]
    assert (strong.jpeg, strong.noise, strong.rotation) == (
        default.jpeg, default.noise, default.rotation,
    )  # fmt: skip


@pytest.mark.tensorflow
def test_the_cost_counts_every_convolution_at_its_output_s_size() -> None:
    recipe = Recipe(
        name="one-block",
        input=InputSpec(height=2048, width=1024),
        architecture=Architecture(stem_width=4, widths=(4,), depths=(1,)),
    )
    stem = 5 * 5 * 1 * 4 * (1024 * 512)
    block = 2 * (3 * 3 * 4 * 4) * (512 * 256)
    assert cost_of(recipe).gflop == pytest.approx(2 * (stem + block) / 1e9, abs=6e-4)
    norms, heads = 3 * 4 * 4, (4 + 1) + 3 * (4 + 1)
    kernels = 5 * 5 * 1 * 4 + 2 * (3 * 3 * 4 * 4)
    assert cost_of(recipe).parameters == kernels + norms + heads


def test_a_network_over_either_limit_is_not_allowed() -> None:
    assert Cost(parameters=MAX_PARAMETERS, gflop=1.5).allowed
    assert not Cost(parameters=MAX_PARAMETERS + 1, gflop=0.1).allowed
    assert not Cost(parameters=1, gflop=1.51).allowed


def test_a_shortened_recipe_loses_detail_in_proportion() -> None:
    short = shortened(BASE, side=96, epochs=2, images_per_epoch=64)
    assert (short.input.height, short.input.width) == (96, 96)
    assert short.augmentation.sides == (64, 128)
    assert (short.schedule.epochs, short.schedule.images_per_epoch) == (2, 64)
    assert short.schedule.warmup_epochs < short.schedule.epochs
    assert short.architecture == BASE.architecture


def test_averaging_and_early_stopping_do_not_outlast_a_short_schedule() -> None:
    averaging = BASE.model_copy(update={"schedule": Schedule(average=5)})
    schedule = shortened(averaging, side=96, epochs=2, images_per_epoch=64).schedule
    assert Schedule.model_validate(schedule.model_dump()) == schedule
    assert schedule.average == 1
