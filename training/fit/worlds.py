"""How a member does elsewhere, after every epoch: the figures that choose between recipes.

Films of other hospitals do not share the training set's shortcuts. In pilots, false positives there
ranked networks as an independent test did; the AUC of held-out training films ranked them the other
way round. All figures are at a probability of 0.5, uncalibrated.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import nn

from training.data.collection import patient_may_train
from training.data.fields import Fields, Film
from training.fit.recipe import MemberRecipe
from training.fit.runs import Row
from training.fit.sampler import Sources, to_planes
from training.fit.views import ViewSpec, plain_view
from training.models.shapes import STANDARD_FLOORS
from training.models.units import standardise

_BATCH: Final = 64
_EVERY: Final = 3
"""Of the held-out films, every third is judged after an epoch."""

HARD_BLOCKS: Final = ((635, 741), (1302, 1423))
"""Patients NORMAL2-IM whose films differ from the rest: specificity falls there first."""

Logits = NDArray[np.float32]


@torch.no_grad()
def logits_of(
    network: nn.Module, fields: Fields, spec: ViewSpec, films: Sequence[int] | None = None
) -> Logits:
    """Answers of a member.

    Args:
        network: A member, in evaluation mode.
        fields: Of a source.
        spec: What the member sees.
        films: Places of those that are wanted; all without it.

    Returns:
        Shape (N,), above 0 for a probability above a half.
    """
    wanted = list(range(len(fields.films))) if films is None else list(films)
    answers = []
    for start in range(0, len(wanted), _BATCH):
        places = wanted[start : start + _BATCH]
        views = plain_view(to_planes(fields.crops[places]), to_planes(fields.masks[places]), spec)
        ready = standardise(views, STANDARD_FLOORS["member"])
        with torch.autocast("cpu", torch.bfloat16):
            logits, _ = network(ready.to(memory_format=torch.channels_last))
        answers.append(logits.float().numpy())
    return np.concatenate(answers) if answers else np.zeros(0, np.float32)


def figures(network: nn.Module, recipe: MemberRecipe, sources: Sources, fold: int | None) -> Row:
    """Figures of the held-out block and of every other source that is there.

    Args:
        network: A member, in evaluation mode.
        recipe: Of its fit.
        sources: Lung fields.
        fold: Held out; None means that there is no held-out block.
    """
    row: Row = {}
    spec = recipe.views
    if fold is not None:
        row |= _block(network, sources["train"], spec, fold)
    for name in ("children_11_to_17", "adults_montgomery"):
        if name in sources:
            answers = logits_of(network, sources[name], spec)
            row |= _world(name, sources[name].films, answers)
    if "adults_nih" in sources:
        films = sources["adults_nih"].films
        held_out = [
            place
            for place, film in enumerate(films)
            if recipe.other_hospital == 0 or not patient_may_train(film.number)
        ]
        answers = logits_of(network, sources["adults_nih"], spec, held_out)
        # Within a view: films AP are of people in bed, and both views together measure that.
        for projection in ("AP", "PA"):
            chosen = [
                n for n, place in enumerate(held_out) if films[place].projection == projection
            ]
            within = [films[held_out[n]] for n in chosen]
            row |= _world(f"adults_nih_{projection}", within, answers[chosen])
    return row


def _block(network: nn.Module, fields: Fields, spec: ViewSpec, fold: int) -> Row:
    places = [place for place, film in enumerate(fields.films) if film.fold == fold][::_EVERY]
    films = [fields.films[place] for place in places]
    answers = logits_of(network, fields, spec, places)
    row = _world("block", films, answers)
    positive = np.array([film.label for film in films]) > 0
    if positive.any():
        row["block_sensitivity"] = float(np.mean(answers[positive] > 0))
    hard = np.array([is_hard(film) for film in films])
    if hard.any():
        row["hard_block_false_positives"] = float(np.mean(answers[hard] > 0))
    return row


def is_hard(film: Film) -> bool:
    """Whether a film is of the normals that behave like those of an independent test."""
    blocks = any(first <= film.number <= last for first, last in HARD_BLOCKS)
    return film.stream == "NORMAL2-IM" and blocks


def _world(name: str, films: Sequence[Film], answers: Logits) -> Row:
    labels = np.array([film.label for film in films])
    row: Row = {}
    if len(set(labels.tolist())) == 2:
        row[f"{name}_auc"] = float(roc_auc_score(labels, answers))
    if (labels == 0).any():
        row[f"{name}_false_positives"] = float(np.mean(answers[labels == 0] > 0))
    return row
