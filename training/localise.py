"""Teach the part of a network that finds the lungs, by masks, and measure how well it does."""

import json
import multiprocessing
import time
from collections.abc import Sequence
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from training.callbacks import PREDICT_BATCH, tensors_of
from training.config import Augmentation, Localisation, Recipe
from training.data import DataError, Record, split
from training.dataset import Dataset
from training.localiser import from_answer, to_answer
from training.lungs import LungMasks, box_of, overlap
from training.networks import build_localiser
from training.saving import save_whole
from training.suite import perturb
from training.worker import located_batch, start_worker

NAME: Final = "localiser"
"""Its folder among the runs."""

CONDITIONS: Final = ("clean", "wider-25", "narrower-25", "crop-6", "border-8")
"""Perturbations that move the lungs on the frame: those under which boxes are judged."""

AUGMENTATION: Final = Augmentation(affine=0.6, frame=0.15, field=0.25)
"""Moves the lungs about more than a member's training does: they must be found in any frame."""

Boxes = NDArray[np.float32]


def taught(dataset: Dataset, recipe: Recipe, runs: Path, fold: int | None) -> keras.Model:
    """The localiser of a fold: from its run folder, or taught now and kept there.

    Raises:
        DataError: There are no masks, or the folder holds a localiser of other images or masks, or
            one that was taught otherwise.
    """
    if dataset.masks is None:
        raise DataError(
            f"The recipe {recipe.name} looks for the lungs first: give lung masks with --masks."
        )
    folder = runs / NAME / ("all" if fold is None else f"fold-{fold}")
    weights, facts = folder / "localiser.weights.h5", folder / "localiser.json"
    made_from = {
        "data": dataset.scan.digest,
        "masks": dataset.masks.digest,
        "input": recipe.model_dump(mode="json")["input"],
        "how": recipe.localiser.model_dump(mode="json"),
    }
    if facts.exists():
        if json.loads(facts.read_text())["made_from"] != made_from:
            raise DataError(
                f"{folder} holds a localiser that was made from other images, masks or settings. "
                "Remove it, or choose another folder with --runs."
            )
        model = build_localiser(recipe.input)
        model.load_weights(weights)
        return model
    folder.mkdir(parents=True, exist_ok=True)
    model, found = _teach(dataset, dataset.masks, recipe, fold)
    save_whole(model.save_weights, weights)
    facts.write_text(json.dumps({"made_from": made_from, **found}, indent=2) + "\n")
    return model


def _teach(
    dataset: Dataset, masks: LungMasks, recipe: Recipe, fold: int | None
) -> tuple[keras.Model, dict[str, Any]]:
    """Train on the masks of all folds but one: the network, and facts with held-out figures."""
    started = time.monotonic()
    training, held_out = map(masks.of, split(dataset.scan.records, dataset.folds, fold))
    how = recipe.localiser
    keras.utils.set_random_seed(how.seed)
    keras.config.set_dtype_policy("float32")
    model = build_localiser(recipe.input)
    steps = how.images_per_epoch // how.batch
    model.compile(
        keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(
                how.learning_rate / 25,
                decay_steps=max(1, how.epochs - 1) * steps,
                warmup_target=how.learning_rate,
                warmup_steps=steps,
            ),
            weight_decay=1e-4,
        ),
        loss="mean_absolute_error",
    )
    sampler = _LungSampler(dataset, masks, training, recipe)
    try:
        model.fit(sampler, epochs=how.epochs, verbose=2)
    finally:
        sampler.close()
    facts: dict[str, Any] = {
        "training_masks": len(training),
        "held_out_masks": len(held_out),
        "seconds": round(time.monotonic() - started),
    }
    if held_out:
        facts["overlap"] = _judge(model, dataset, masks, held_out, recipe)
    return model, facts


def _judge(
    model: keras.Model,
    dataset: Dataset,
    masks: LungMasks,
    records: Sequence[Record],
    recipe: Recipe,
) -> dict[str, Any]:
    """Overlap of the boxes that are found with those of the masks, by perturbation."""
    figures = {}
    for name in CONDITIONS:
        tensors = tensors_of(dataset, records, recipe.input, name)
        found = from_answer(model.predict(tensors, batch_size=PREDICT_BATCH, verbose=0))
        true = [box_of(perturb(masks.masks[record.name], name)) for record in records]
        overlaps = [
            overlap(one, other) for one, other in zip(found, true, strict=True) if other is not None
        ]
        figures[name] = {
            "mean": round(float(np.mean(overlaps)), 4),
            "fifth_percentile": round(float(np.quantile(overlaps, 0.05)), 4),
        }
    return figures


class _LungSampler(keras.utils.PyDataset):
    """Augmented frames and the boxes of their lungs; the two classes in turn."""

    def __init__(
        self, dataset: Dataset, masks: LungMasks, records: Sequence[Record], recipe: Recipe
    ) -> None:
        how: Localisation = recipe.localiser
        super().__init__(workers=how.workers, max_queue_size=8)
        self._how, self._views, self._masks = how, dataset.views, masks.masks
        by_class = ([r.name for r in records if r.label == label] for label in (0, 1))
        self._classes = [names for names in by_class if names]
        self._epoch = 0
        self._pool: Pool = multiprocessing.get_context("spawn").Pool(
            how.workers, start_worker, (dataset.store.path, AUGMENTATION, recipe.input)
        )

    def __len__(self) -> int:
        return self._how.images_per_epoch // self._how.batch

    def on_epoch_end(self) -> None:
        """Move on to the next epoch's draws."""
        self._epoch += 1

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], Boxes]:
        seed = (self._how.seed, self._epoch, index)
        rng = np.random.default_rng(seed)
        names, positions = [], []
        for draw in range(self._how.batch):
            of_class = self._classes[draw % len(self._classes)]
            names.append(of_class[int(rng.integers(len(of_class)))])
            views = self._views[names[-1]]
            positions.append(views[int(rng.integers(len(views)))])
        images, boxes = self._pool.apply(
            located_batch, (positions, [self._masks[name] for name in names], seed)
        )
        return images, to_answer(boxes)

    def close(self) -> None:
        """End the worker processes."""
        self._pool.terminate()
        self._pool.join()
