"""Fitting the network that finds the lungs."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from training.data import split
from training.data.squares import MASK_SIDE, Squares
from training.fit.loop import Randomness, run
from training.fit.lungs_augmentation import augment
from training.fit.recipe import LungsRecipe
from training.fit.runs import Row, RunFolder
from training.models.shapes import STANDARD_FLOORS
from training.models.unet import LungsNet
from training.models.units import standardise

_EVERY: Final = 3
"""Of the held-out films, every third is judged after an epoch."""

_BATCH: Final = 64

Masks = NDArray[np.float32]


def fit_lungs(
    recipe: LungsRecipe,
    squares: Squares,
    folds: dict[str, int],
    fold: int | None,
    folder: RunFolder,
    further: Squares | None = None,
    network: LungsNet | None = None,
) -> LungsNet:
    """Fit the segmentation network, or resume.

    Args:
        recipe: How.
        squares: Training films with masks.
        folds: By patient key.
        fold: Held out; None holds out nothing.
        folder: Of the run.
        further: Films of another hospital with masks, for the log only.
        network: Of another shape than usual, with its first weights.

    Returns:
        The averaged network.
    """
    if network is None:
        torch.manual_seed(recipe.seed)
        network = LungsNet()
    folder.claim({"recipe": recipe.model_dump(mode="json"), "fold": fold})
    task = _LungsTask(recipe, squares, folds, fold, further)
    groups = [{"params": list(network.parameters())}]
    return run(task, network, groups, recipe.schedule, recipe.seed, folder)


def load_lungs(path: Path, network: LungsNet | None = None) -> LungsNet:
    """Load the averaged network of a run from its ``network.pt``."""
    loaded = network or LungsNet()
    loaded.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    loaded.eval()
    return loaded


@torch.no_grad()
def segment(network: LungsNet, pictures: NDArray[np.float32]) -> Masks:
    """Probabilities of lung.

    Args:
        network: Fitted.
        pictures: Shape (N, side, side, 1), 0 to 1.

    Returns:
        Shape (N, side, side).
    """
    network.eval()
    planes = torch.from_numpy(pictures).permute(0, 3, 1, 2)
    answers = [
        torch.sigmoid(network(standardise(batch, STANDARD_FLOORS["lungs"])))[:, 0]
        for batch in planes.split(_BATCH)
    ]
    found: Masks = torch.cat(answers).numpy()
    return found


def dice(probabilities: Masks, masks: Masks) -> Masks:
    """Dice's coefficient of each film: 2 |A and B| / (|A| + |B|), both cut at a half.

    Args:
        probabilities: Shape (N, side, side), 0 to 1.
        masks: The same shape, 0 to 1.
    """
    found, drawn = probabilities > 0.5, masks > 0.5
    both = (found & drawn).sum((1, 2))
    scores: Masks = (2 * both / (found.sum((1, 2)) + drawn.sum((1, 2)) + 1e-9)).astype(np.float32)
    return scores


class _LungsTask:
    def __init__(
        self,
        recipe: LungsRecipe,
        squares: Squares,
        folds: dict[str, int],
        fold: int | None,
        further: Squares | None,
    ) -> None:
        self._recipe = recipe
        self._squares = squares
        self._further = further
        training, held_out = split(squares.records, folds, fold)
        places = {record.name: place for place, record in enumerate(squares.records)}
        self._training = [places[record.name] for record in training]
        self._held_out = [places[record.name] for record in held_out][::_EVERY]

    def batches(self, randomness: Randomness) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of an epoch: no film twice, as long as there are films."""
        schedule = self._recipe.schedule
        order: list[int] = []
        while len(order) < schedule.steps * schedule.batch:
            order += torch.randperm(len(self._training), generator=randomness.tensors).tolist()
        for step in range(schedule.steps):
            chosen = order[step * schedule.batch : (step + 1) * schedule.batch]
            films = [self._training[place] for place in chosen]
            yield augment(
                torch.from_numpy(self._squares.frames[films]),
                torch.from_numpy(self._squares.masks[films]),
                randomness.tensors,
                self._recipe.side,
            )

    def loss(self, network: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Cross-entropy plus one minus the soft Dice coefficient."""
        frames, masks = batch
        ready = standardise(frames, STANDARD_FLOORS["lungs"])
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(ready.to(memory_format=torch.channels_last))
        logits = logits.float()
        found = torch.sigmoid(logits)
        both = (found * masks).sum((1, 2, 3))
        either = found.sum((1, 2, 3)) + masks.sum((1, 2, 3))
        overlap = ((2 * both + 1) / (either + 1)).mean()
        cross_entropy = functional.binary_cross_entropy_with_logits(logits, masks)
        return torch.as_tensor(cross_entropy + 1 - overlap)

    def figures(self, network: LungsNet) -> Row:
        """Dice of held-out films, by aetiology, and of the other hospital."""
        row: Row = {}
        if self._held_out:
            scores = self._dice(network, self._squares, self._held_out)
            row["dice"] = float(scores.mean())
            row["dice_5_percent"] = float(np.quantile(scores, 0.05))
            kinds = np.array([self._squares.records[film].aetiology for film in self._held_out])
            for kind in ("normal", "bacterial", "viral"):
                if (kinds == kind).any():
                    row[f"dice_{kind}"] = float(scores[kinds == kind].mean())
        if self._further is not None:
            films = range(len(self._further.records))
            row["dice_montgomery"] = float(self._dice(network, self._further, films).mean())
        return row

    def _dice(self, network: LungsNet, squares: Squares, films: Sequence[int]) -> Masks:
        chosen, side = list(films), self._recipe.side
        masks = _shares(squares.masks[chosen])
        if side != MASK_SIDE:
            masks = _resized(masks, side)[..., 0]
        found = segment(network, _resized(_shares(squares.frames[chosen]), side))
        return dice(found, masks)


def _shares(pixels: NDArray[np.uint8]) -> Masks:
    """Grey levels from 0 to 1."""
    return np.divide(pixels, 255, dtype=np.float32)


def _resized(planes: Masks, side: int) -> Masks:
    """Shape (N, height, width) to (N, side, side, 1)."""
    small = functional.interpolate(
        torch.from_numpy(planes)[:, None], size=(side, side), mode="area"
    )
    pictures: Masks = small.permute(0, 2, 3, 1).contiguous().numpy()
    return pictures
