"""Batches for training: balanced, one image per patient, augmented in worker processes."""

import multiprocessing
from collections.abc import Sequence
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Final

import keras
import numpy as np
from numpy.typing import NDArray

from training.config import Recipe
from training.data import Aetiology, Record
from training.networks import AETIOLOGY, PNEUMONIA
from training.worker import augmented_batch, start_worker

AETIOLOGIES: Final[tuple[Aetiology, ...]] = ("normal", "bacterial", "viral")

Tensor = NDArray[np.float32]


class BalancedSampler(keras.utils.PyDataset):
    """One epoch of draws: a third normal, a third bacterial, a third viral.

    Within an aetiology the patient is drawn first and then one of their images, so that patients
    with many films weigh no more than others. ``views`` holds, by image name, the positions of all
    copies of that image in the store (the squashed one, the larger one at true aspect ratio).
    """

    def __init__(
        self, records: Sequence[Record], views: dict[str, list[int]], store: Path, recipe: Recipe
    ) -> None:
        schedule = recipe.schedule
        super().__init__(workers=schedule.workers, max_queue_size=8)
        self._views = views
        self._schedule = schedule
        self._seed = recipe.seed
        self._epoch = 0
        self._patients = [_by_patient(records, aetiology) for aetiology in AETIOLOGIES]
        # Workers start afresh ("spawn"): forking a process that runs TensorFlow's threads may hang.
        self._pool: Pool = multiprocessing.get_context("spawn").Pool(
            schedule.workers, start_worker, (store, recipe.augmentation, recipe.input)
        )

    def __len__(self) -> int:
        return self._schedule.images_per_epoch // self._schedule.batch

    def begin(self, epoch: int) -> None:
        """Set the epoch, which is part of every draw's seed: a resumed run repeats nothing."""
        self._epoch = epoch

    def on_epoch_end(self) -> None:
        """Move on to the next epoch's draws."""
        self._epoch += 1

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Tensor]]:
        seed = (self._seed, self._epoch, index)
        rng = np.random.default_rng(seed)
        aetiologies = rng.permutation(np.arange(self._schedule.batch) % len(AETIOLOGIES))
        positions = [self._draw(rng, int(aetiology)) for aetiology in aetiologies]
        is_pneumonia = aetiologies > 0
        images = self._pool.apply(augmented_batch, (positions, is_pneumonia.tolist(), seed))
        pneumonia = is_pneumonia.astype(np.float32)[:, np.newaxis]
        return images, {
            PNEUMONIA: pneumonia,
            AETIOLOGY: np.eye(len(AETIOLOGIES), dtype=np.float32)[aetiologies],
        }

    def _draw(self, rng: np.random.Generator, aetiology: int) -> int:
        patients = self._patients[aetiology]
        images = patients[int(rng.integers(len(patients)))]
        views = self._views[images[int(rng.integers(len(images)))]]
        return views[int(rng.integers(len(views)))]

    def close(self) -> None:
        """End the worker processes."""
        self._pool.terminate()
        self._pool.join()


def _by_patient(records: Sequence[Record], aetiology: Aetiology) -> list[list[str]]:
    patients: dict[str, list[str]] = {}
    for record in records:
        if record.aetiology == aetiology:
            patients.setdefault(record.patient, []).append(record.name)
    return list(patients.values())
