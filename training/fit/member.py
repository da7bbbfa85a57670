"""Fitting a member of the ensemble."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.fit import worlds
from training.fit.loop import Randomness, run
from training.fit.recipe import MemberRecipe
from training.fit.runs import Row, RunFolder
from training.fit.sampler import Drawn, Sampler, Sources
from training.fit.views import augmented_view
from training.models.lite0 import Lite0
from training.models.pretrained import load_imagenet, parameters_of
from training.models.shapes import STANDARD_FLOORS
from training.models.units import standardise


def fit_member(
    recipe: MemberRecipe,
    sources: Sources,
    fold: int | None,
    folder: RunFolder,
    network: Lite0 | None = None,
) -> Lite0:
    """Fit a member, or resume.

    Args:
        recipe: How.
        sources: Lung fields.
        fold: Held out; None holds out nothing.
        folder: Of the run.
        network: Of another shape than usual, with its first weights.

    Returns:
        The averaged network.
    """
    if network is None:
        torch.manual_seed(recipe.seed)
        network = load_imagenet(Lite0(dropout=recipe.dropout))
    facts: dict[str, Any] = {"recipe": recipe.model_dump(mode="json"), "fold": fold}
    folder.claim(facts)
    groups = parameters_of(network)
    weighted = [
        {"params": groups["trunk"], "factor": 1.0},
        {"params": groups["new"], "factor": recipe.head_rate},
    ]
    task = MemberTask(recipe, sources, fold)
    return run(task, network, weighted, recipe.schedule, recipe.seed, folder)


def load_member(path: Path, network: Lite0 | None = None) -> Lite0:
    """Load the averaged network of a run from its ``network.pt``."""
    loaded = network or Lite0()
    loaded.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    loaded.eval()
    return loaded


class MemberTask:
    """What a member is fitted on, see ``training.fit.loop.Task``.

    Args:
        recipe: How.
        sources: Lung fields.
        fold: Held out; None holds out nothing.
    """

    def __init__(self, recipe: MemberRecipe, sources: Sources, fold: int | None) -> None:
        self._recipe = recipe
        self._sources = sources
        self._fold = fold
        self._sampler = Sampler(recipe, sources, fold)

    def batches(self, randomness: Randomness) -> Iterator[tuple[Tensor, Drawn]]:
        """Standardised variants and what is true of them, without end."""
        while True:
            drawn = self._sampler.draw(randomness.numbers)
            views = augmented_view(drawn.crops, drawn.masks, self._recipe.views, randomness.tensors)
            yield standardise(views, STANDARD_FLOORS["member"]), drawn

    def loss(self, network: nn.Module, batch: tuple[Tensor, Drawn]) -> Tensor:
        """Cross-entropy with smoothed targets, and that of the aetiology where it is known."""
        views, drawn = batch
        views = views.to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            logits, aetiology = network(views)
        targets = drawn.labels * (1 - 2 * self._recipe.smoothing) + self._recipe.smoothing
        loss = functional.binary_cross_entropy_with_logits(logits.float(), targets)
        known = drawn.aetiologies >= 0
        auxiliary = functional.cross_entropy(aetiology.float()[known], drawn.aetiologies[known])
        return torch.as_tensor(loss + self._recipe.aetiology * auxiliary)

    def figures(self, network: nn.Module) -> Row:
        """See ``training.fit.worlds``."""
        return worlds.figures(network, self._recipe, self._sources, self._fold)
