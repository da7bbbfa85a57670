"""One network from several: the mean of their weights.

Fine-tunings that start from the same pretrained weights end close enough for the mean of their
weights to be a network of its own, steadier than each (model soups: Wortsman 2022,
arXiv:2203.05482; DiWA: Rame 2022, arXiv:2205.09739). It costs nothing in serving. The running
statistics of its normalisations are measured anew, because the mean of two networks' statistics are
not those of the mean network.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from service.inference.atomic_write import atomic_write
from training.data import DataError
from training.fit.loop import Randomness
from training.fit.member import MemberTask
from training.fit.recipe import MemberRecipe
from training.fit.runs import RunFolder
from training.fit.sampler import Sources
from training.models.lite0 import Lite0


def average_runs(
    parts: Sequence[RunFolder],
    sources: Sources,
    target: RunFolder,
    batches: int,
    network: Lite0 | None = None,
) -> Lite0:
    """Average the networks of several runs of one recipe.

    Args:
        parts: Runs that differ in fold or seed only.
        sources: Lung fields, for the statistics; all patients are drawn from.
        target: Folder for the network, as that of a run.
        batches: How many to measure statistics on.
        network: Of another shape than usual, to load the weights into.

    Returns:
        The mean network, in evaluation mode.

    Raises:
        DataError: There are no parts, they are not complete, or their recipes differ.
    """
    recipe = common_recipe(parts)
    missing = [str(part.path) for part in parts if not part.network.exists()]
    if missing:
        raise DataError(f"There is no network in {', '.join(missing)}.")
    states = [torch.load(part.network, map_location="cpu", weights_only=True) for part in parts]
    target.claim(
        {"recipe": recipe.model_dump(mode="json"), "average_of": [part.facts() for part in parts]}
    )
    mean = network or Lite0(dropout=recipe.dropout)
    mean.load_state_dict(mean_of(states))
    measure_statistics(mean, recipe, sources, batches)
    with atomic_write(target.network) as path:
        torch.save(mean.state_dict(), path)
    figures = MemberTask(recipe, sources, None).figures(mean.eval())
    if figures:
        target.write_log([figures])
    return mean


def common_recipe(parts: Sequence[RunFolder]) -> MemberRecipe:
    """The recipe of runs that differ in fold or seed only.

    Raises:
        DataError: There are no runs, or their recipes differ.
    """
    recipes = [MemberRecipe.model_validate(part.facts()["recipe"]) for part in parts]
    if not recipes:
        raise DataError("There are no runs to average.")
    seedless = {recipe.model_copy(update={"seed": 0}) for recipe in recipes}
    if len(seedless) > 1:
        raise DataError("Only runs of one recipe can be averaged; they may differ in their seed.")
    return recipes[0]


def mean_of(states: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of each weight; counters are the first network's."""
    return {
        name: torch.stack([state[name] for state in states]).mean(0)
        if first.dtype.is_floating_point
        else first
        for name, first in states[0].items()
    }


@torch.no_grad()
def measure_statistics(
    network: Lite0, recipe: MemberRecipe, sources: Sources, batches: int
) -> None:
    """Set the running statistics to their mean over training batches; no weight changes."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
    network.train()
    drawn = MemberTask(recipe, sources, None).batches(Randomness.seeded(recipe.seed))
    for _ in range(batches):
        views, _ = next(drawn)
        with torch.autocast("cpu", torch.bfloat16):
            network(views.to(memory_format=torch.channels_last))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()
