"""The mean of several fine-tunings is one network, with statistics of its own."""

from pathlib import Path

import pytest
import torch

from tests.training.small import MEMBER, small_lite, sources
from training.data import DataError
from training.fit.average import average_runs, mean_of, measure_statistics
from training.fit.member import fit_member
from training.fit.recipe import MemberRecipe
from training.fit.runs import RunFolder

pytestmark = pytest.mark.usefixtures("one_thread")


def fitted(root: Path, recipe: MemberRecipe, fold: int) -> RunFolder:
    folder = RunFolder.of(root, recipe, fold)
    fit_member(recipe, sources(), fold, folder, small_lite())
    return folder


def test_weights_are_averaged_and_statistics_measured_anew(tmp_path: Path) -> None:
    parts = [fitted(tmp_path, MEMBER, fold) for fold in (0, 1)]
    target = RunFolder(tmp_path / "mean")
    mean = average_runs(parts, sources(), target, batches=4, network=small_lite())
    states = [torch.load(part.network, weights_only=True) for part in parts]
    expected = (states[0]["stem.conv.weight"] + states[1]["stem.conv.weight"]) / 2
    assert torch.equal(mean.stem.conv.weight, expected)
    blind = mean_of(states)["deep.norm.running_var"]
    assert not torch.equal(mean.deep.norm.running_var, blind)
    assert torch.equal(
        torch.load(target.network, weights_only=True)["deep.norm.running_var"],
        mean.deep.norm.running_var,
    )
    assert len(target.facts()["average_of"]) == 2


def test_measuring_statistics_changes_nothing_else_and_is_repeatable() -> None:
    one, other = small_lite(), small_lite()
    before = {name: tensor.clone() for name, tensor in one.state_dict().items()}
    for network in (one, other):
        measure_statistics(network, MEMBER, sources(), 3)
    for name, tensor in one.state_dict().items():
        if "running" in name or "tracked" in name:
            assert torch.equal(tensor, other.state_dict()[name])
        else:
            assert torch.equal(tensor, before[name]), name
    assert not torch.equal(one.stem.norm.running_mean, before["stem.norm.running_mean"])


def test_runs_of_two_recipes_or_without_a_network_are_refused(tmp_path: Path) -> None:
    part = fitted(tmp_path, MEMBER, 0)
    other = fitted(tmp_path, MEMBER.model_copy(update={"name": "b", "smoothing": 0.1}), 0)
    target = RunFolder(tmp_path / "mean")
    with pytest.raises(DataError, match="one recipe"):
        average_runs([part, other], sources(), target, 2, network=small_lite())
    part.network.unlink()
    with pytest.raises(DataError, match="no network"):
        average_runs([part], sources(), target, 2, network=small_lite())
    with pytest.raises(DataError, match="no runs"):
        average_runs([], sources(), target, 2)
