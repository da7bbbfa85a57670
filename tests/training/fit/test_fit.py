"""A fit learns, resumes to the same weights, and keeps its word about what it was."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.training.small import LUNGS, MEMBER, fields, small_lite, small_unet, sources
from training.data import DataError, Record
from training.data.squares import Squares
from training.fit import loop
from training.fit.lungs import dice, fit_lungs, load_lungs, segment
from training.fit.member import fit_member, load_member
from training.fit.recipe import Schedule
from training.fit.runs import RunFolder
from training.fit.sampler import Sampler, Sources

pytestmark = pytest.mark.usefixtures("one_thread")


def squares() -> Squares:
    """Phantoms with a mask in the middle."""
    train = sources()["train"]
    records = [
        Record(Path(film.name), film.name, film.label, "normal", film.stream, film.number, "")
        for film in train.films
    ]
    return Squares(records, np.repeat(train.crops, 2, 1).repeat(2, 2), train.masks)


def folds() -> dict[str, int]:
    return {film.patient: film.fold for film in sources()["train"].films}


def weights(path: Path) -> dict[str, torch.Tensor]:
    loaded: dict[str, torch.Tensor] = torch.load(path, weights_only=True)
    return loaded


class Interruption(Exception):
    """As of a person who stops a run."""


def interrupted_after(epochs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop fits in the middle of the epoch that follows."""
    whole = loop._rate
    count = 0

    def rate(step: int, schedule: Schedule) -> float:
        nonlocal count
        count += 1
        if count > epochs * schedule.steps + 1:
            raise Interruption
        return whole(step, schedule)

    monkeypatch.setattr(loop, "_rate", rate)


def test_an_interrupted_fit_ends_with_the_weights_of_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight, resumed = RunFolder(tmp_path / "a/0/all"), RunFolder(tmp_path / "b/0/all")
    fit_member(MEMBER, sources(), 0, straight, small_lite())
    with monkeypatch.context() as patch:
        interrupted_after(1, patch)
        with pytest.raises(Interruption):
            fit_member(MEMBER, sources(), 0, resumed, small_lite())
    assert len(resumed.read_log()) == 1
    assert not resumed.is_complete(MEMBER.schedule.epochs)
    fit_member(MEMBER, sources(), 0, resumed, small_lite(seed=5))
    one, other = weights(straight.network), weights(resumed.network)
    for name, value in one.items():
        assert torch.equal(value, other[name]), name
    assert [row["loss"] for row in resumed.read_log()] == [
        row["loss"] for row in straight.read_log()
    ]
    assert not resumed.checkpoint.exists()


def test_a_fit_of_the_lungs_resumes_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    straight, resumed = RunFolder(tmp_path / "a/0/all"), RunFolder(tmp_path / "b/0/all")
    fit_lungs(LUNGS, squares(), folds(), 1, straight, network=small_unet())
    with monkeypatch.context() as patch:
        interrupted_after(2, patch)
        with pytest.raises(Interruption):
            fit_lungs(LUNGS, squares(), folds(), 1, resumed, network=small_unet())
    fit_lungs(LUNGS, squares(), folds(), 1, resumed, network=small_unet(seed=3))
    one, other = weights(straight.network), weights(resumed.network)
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_a_complete_fit_is_not_repeated(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "a/0/all")
    fitted = fit_member(MEMBER, sources(), None, folder, small_lite())
    before = folder.network.stat().st_mtime_ns
    again = fit_member(MEMBER, sources(), None, folder, small_lite(seed=7))
    assert folder.network.stat().st_mtime_ns == before
    loaded = load_member(folder.network, small_lite(seed=8))
    for network in (again, loaded):
        assert torch.equal(network.head.weight, fitted.head.weight)


def test_another_recipe_does_not_take_over_a_run(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "a/0/all")
    fit_member(MEMBER, sources(), None, folder, small_lite())
    other = MEMBER.model_copy(update={"smoothing": 0.1})
    with pytest.raises(DataError, match="another recipe"):
        fit_member(other, sources(), None, folder, small_lite())
    with pytest.raises(DataError, match="another recipe"):
        fit_member(MEMBER, sources(), 2, folder, small_lite())


def test_a_member_learns_what_it_is_shown(tmp_path: Path) -> None:
    schedule = MEMBER.schedule.model_copy(update={"epochs": 5, "images": 160})
    recipe = MEMBER.model_copy(update={"schedule": schedule})
    folder = RunFolder(tmp_path / "a/0/all")
    fit_member(recipe, sources(), 0, folder, small_lite())
    log = folder.read_log()
    assert log[-1]["loss"] < 0.8 * log[0]["loss"]


def test_the_lungs_network_learns_where_the_lungs_are(tmp_path: Path) -> None:
    schedule = LUNGS.schedule.model_copy(update={"epochs": 8, "images": 160, "rate": 0.02})
    recipe = LUNGS.model_copy(update={"schedule": schedule})
    folder = RunFolder(tmp_path / "a/0/all")
    fitted = fit_lungs(recipe, squares(), folds(), 0, folder, network=small_unet())
    log = folder.read_log()
    assert log[-1]["dice"] > log[0]["dice"]
    loaded = load_lungs(folder.network, small_unet(seed=1))
    picture = np.random.default_rng(0).uniform(size=(2, 64, 64, 1)).astype(np.float32)
    # Some processors convolve another layout of the same weights with other roundings.
    np.testing.assert_allclose(segment(loaded, picture), segment(fitted, picture), atol=0.01)


def test_the_log_tells_of_every_other_world_that_is_there(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "a/0/all")
    fit_member(MEMBER, sources(), 1, folder, small_lite())
    row = folder.read_log()[-1]
    assert {
        "block_auc", "block_sensitivity", "block_false_positives",
        "children_11_to_17_false_positives", "adults_montgomery_auc",
        "adults_nih_AP_auc", "adults_nih_PA_false_positives",
    } <= set(row)  # fmt: skip
    alone: Sources = {"train": sources()["train"]}
    plain = MEMBER.model_copy(update={"other_hospital": 0})
    few = RunFolder(tmp_path / "b/0/all")
    fit_member(plain, alone, None, few, small_lite())
    assert set(few.read_log()[-1]) == {"epoch", "seconds", "loss"}


def test_a_batch_is_balanced_and_shows_no_patient_twice() -> None:
    recipe = MEMBER.model_copy(
        update={"schedule": MEMBER.schedule.model_copy(update={"batch": 20})}
    )
    sampler = Sampler(recipe, sources(), None)
    drawn = sampler.draw(np.random.default_rng(0))
    assert drawn.aetiologies.tolist() == [0] * 6 + [1] * 6 + [2] * 6 + [-1] * 2
    assert drawn.labels[:18].tolist() == [0.0] * 6 + [1.0] * 12
    assert drawn.crops.shape == drawn.masks.shape == (20, 1, 48, 48)
    assert len({tuple(crop.flatten().tolist()) for crop in drawn.crops[:18]}) == 18


def test_no_film_of_the_held_out_fold_is_drawn() -> None:
    held_out = 2
    known = sources()
    train = known["train"]
    marked = train.crops.copy()
    for place, film in enumerate(train.films):
        if film.fold == held_out:
            marked[place] = 255
    known["train"] = fields(train.films)
    known = {"train": type(train)(train.films, marked, train.masks, ())}
    recipe = MEMBER.model_copy(update={"other_hospital": 0})
    sampler = Sampler(recipe, known, held_out)
    rng = np.random.default_rng(1)
    assert all(sampler.draw(rng).crops.mean((1, 2, 3)).max() < 1 for _ in range(20))
    everyone = Sampler(recipe, known, None)
    assert any(everyone.draw(rng).crops.mean((1, 2, 3)).max() == 1 for _ in range(20))


def test_held_out_patients_of_the_other_hospital_never_train() -> None:
    known = sources()
    nih = known["adults_nih"]
    marked = nih.crops.copy()
    for place, film in enumerate(nih.films):
        if film.number % 2:
            marked[place] = 255
    known["adults_nih"] = type(nih)(nih.films, marked, nih.masks, ())
    sampler = Sampler(MEMBER, known, None)
    rng = np.random.default_rng(2)
    for _ in range(30):
        assert sampler.draw(rng).crops[-2:].mean((1, 2, 3)).max() < 1


def test_too_few_patients_and_a_missing_hospital_are_named() -> None:
    greedy = MEMBER.model_copy(
        update={"schedule": MEMBER.schedule.model_copy(update={"batch": 64})}
    )
    with pytest.raises(DataError, match="10 patients are normal"):
        Sampler(greedy, sources(), None)
    with pytest.raises(DataError, match="adults_nih"):
        Sampler(MEMBER, {"train": sources()["train"]}, None)


def test_dice_is_one_where_both_agree_and_nought_where_they_do_not() -> None:
    mask = np.zeros((1, 8, 8), np.float32)
    mask[:, :4] = 1
    assert dice(mask, mask)[0] == pytest.approx(1)
    assert dice(1 - mask, mask)[0] == 0
    half = mask.copy()
    half[:, :2] = 0
    assert dice(half, mask)[0] == pytest.approx(2 * 16 / (16 + 32))


def test_the_average_follows_the_network() -> None:
    one, other = small_lite(0), small_lite(1)
    before = one.head.weight.clone()
    loop.follow(one, other, 0.75)
    expected = 0.75 * before + 0.25 * other.head.weight
    torch.testing.assert_close(one.head.weight.detach(), expected.detach())
    assert isinstance(one, nn.Module)
