"""Which films a batch holds: aetiologies balanced, one film of each patient drawn anew."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.data import DataError
from training.data.collection import SourceName, patient_may_train
from training.data.fields import Fields, Film
from training.fit.recipe import MemberRecipe

AETIOLOGIES: Final = ("normal", "bacterial", "viral")
UNKNOWN: Final = -1
"""Aetiology of a film that does not count for the auxiliary loss."""

Sources = dict[SourceName, Fields]


@dataclass(frozen=True, eq=False)
class Drawn:
    """A batch of N crops, before augmentation.

    Attributes:
        crops: Shape (N, 1, height, width), 0 to 1.
        masks: Of the lungs, the same shape.
        labels: Shape (N,), 0 or 1.
        aetiologies: Shape (N,), a place in ``AETIOLOGIES`` or ``UNKNOWN``.
    """

    crops: Tensor
    masks: Tensor
    labels: Tensor
    aetiologies: Tensor


class Sampler:
    """Draws batches for one recipe and fold.

    Patients weigh alike, however many films they have: a patient is drawn first, then one of their
    films. Films of the other hospital come from both classes equally often, so that the source says
    nothing about the label.

    Args:
        recipe: How many of what.
        sources: Lung fields; ``train`` must be there.
        fold: Held out; None holds out nothing.

    Raises:
        DataError: An aetiology has too few patients for a batch, or a class of the other hospital
            has no film.
    """

    def __init__(self, recipe: MemberRecipe, sources: Sources, fold: int | None) -> None:
        self._recipe = recipe
        self._sources = sources
        self._large = {
            film.name: place
            for place, film in enumerate(sources["large"].films if "large" in sources else ())
        }
        films = sources["train"].films
        self._patients = [_patients(films, kind, fold) for kind in AETIOLOGIES]
        self._per_aetiology = (recipe.schedule.batch - recipe.other_hospital) // len(AETIOLOGIES)
        for kind, patients in zip(AETIOLOGIES, self._patients, strict=True):
            if len(patients) < self._per_aetiology:
                raise DataError(
                    f"{len(patients)} patients are {kind}: too few for {self._per_aetiology} of "
                    "them in a batch."
                )
        self._others = self._other_films() if recipe.other_hospital else ([], [])

    def _other_films(self) -> tuple[list[int], list[int]]:
        films = self._sources["adults_nih"].films if "adults_nih" in self._sources else ()
        classes = tuple(
            [
                place
                for place, film in enumerate(films)
                if film.label == label and patient_may_train(film.number)
            ]
            for label in (0, 1)
        )
        if not all(classes):
            raise DataError(
                "The recipe wants films of adults_nih, and there are none of both classes. Run "
                "`fields` on a collection that holds them, or set other_hospital to 0."
            )
        return classes[0], classes[1]

    def draw(self, rng: np.random.Generator) -> Drawn:
        """Draw one batch."""
        planes: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]] = []
        aetiologies: list[int] = []
        labels: list[int] = []
        for kind, patients in enumerate(self._patients):
            for patient in rng.choice(len(patients), self._per_aetiology, replace=False):
                planes.append(self._copy(int(rng.choice(patients[patient])), rng))
                labels.append(int(kind > 0))
                aetiologies.append(kind)
        for _ in range(self._recipe.other_hospital):
            label = int(rng.random() < 0.5)
            other = self._sources["adults_nih"]
            film = int(rng.choice(self._others[label]))
            planes.append((other.crops[film], other.masks[film]))
            labels.append(label)
            aetiologies.append(UNKNOWN)
        return Drawn(
            to_planes(np.stack([crop for crop, _ in planes])),
            to_planes(np.stack([mask for _, mask in planes])),
            torch.tensor(labels).float(),
            torch.tensor(aetiologies),
        )

    def _copy(
        self, film: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        source = self._sources["train"]
        name = source.films[film].name
        if name in self._large and rng.random() < self._recipe.large_share:
            source, film = self._sources["large"], self._large[name]
        return source.crops[film], source.masks[film]


def to_planes(pixels: NDArray[np.uint8]) -> Tensor:
    """Shape (N, height, width), uint8, to (N, 1, height, width) from 0 to 1."""
    return torch.from_numpy(np.array(pixels)).float()[:, None] / 255


def _patients(films: Sequence[Film], aetiology: str, fold: int | None) -> list[list[int]]:
    """Places of each patient's films."""
    patients: dict[str, list[int]] = {}
    for place, film in enumerate(films):
        if film.aetiology == aetiology and (fold is None or film.fold != fold):
            patients.setdefault(film.patient, []).append(place)
    return list(patients.values())
