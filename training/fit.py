"""Train one member on all folds but one (or on everything), and score what was held out."""

import json
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import pandas as pd
from pydantic import ValidationError
from rich.console import Console
from rich.progress import track

from service.files import atomic_write
from service.imaging import InputSpec
from training.arithmetic import policy_of
from training.callbacks import (
    MONITOR,
    PREDICT_BATCH,
    BeginEpoch,
    HeldOutScore,
    LastEpochs,
    auc,
    tensors_of,
)
from training.config import Recipe
from training.data import DataError, Record, one_per_patient, split
from training.dataset import Dataset
from training.networks import AETIOLOGY, PNEUMONIA, build_trainable, member_of
from training.sampler import BalancedSampler
from training.suite import SUITE


@dataclass(frozen=True)
class RunFolder:
    """Where one run keeps its checkpoints, log and results."""

    root: Path
    recipe: str
    fold: int | None

    @property
    def path(self) -> Path:
        """``root/<recipe>/fold-<k>`` or ``root/<recipe>/all``."""
        return self.root / self.recipe / ("all" if self.fold is None else f"fold-{self.fold}")

    def of(self, recipe: Recipe) -> "RunFolder":
        """The folder of another recipe's run on the same fold."""
        return RunFolder(self.root, recipe.name, self.fold)

    @property
    def member(self) -> Path:
        """The network to serve."""
        return self.path / "member.keras"

    @property
    def weights(self) -> Path:
        """What the training ended with, for a recipe that refines it."""
        return self.path / "trained.weights.h5"

    @property
    def predictions(self) -> Path:
        """Held-out probabilities, a row for each patient and a column for each perturbation."""
        return self.path / "predictions.csv"

    @property
    def claim(self) -> Path:
        """What the run is made from: the recipe and the digest of the data."""
        return self.path / "run.json"

    @property
    def summary(self) -> Path:
        """Facts of the finished run; it exists only when the run is complete."""
        return self.path / "summary.json"


def fit(dataset: Dataset, recipe: Recipe, folder: RunFolder) -> dict[str, Any]:
    """Train, or resume, or return at once where the run is already complete.

    Args:
        dataset: Images and folds.
        recipe: The member's recipe.
        folder: Its ``fold`` is held out; with None all images train and nothing is scored.

    Returns:
        The run's summary: epochs, seconds, machine, held-out figures.

    Raises:
        DataError: The folder holds a run of another recipe or of other images.
    """
    _claim(folder, recipe, dataset)
    if recipe.start is not None:
        fit(dataset, recipe.start, folder.of(recipe.start))
    if folder.summary.exists():
        summary: dict[str, Any] = json.loads(folder.summary.read_text())
        return summary
    training, held_out = split(dataset.scan.records, dataset.folds, folder.fold)
    held_out = one_per_patient(held_out)
    started = time.monotonic()
    watch = HeldOutScore(dataset, held_out, recipe.input) if held_out else None
    model, history = train(dataset, recipe, folder, training, watch)
    member = member_of(model, recipe.input, recipe.architecture)
    with atomic_write(folder.weights) as path:
        model.save_weights(path)
    with atomic_write(folder.member) as path:
        member.save(path)
    summary = {
        "recipe": recipe.model_dump(mode="json"),
        "fold": folder.fold,
        "training_images": len(training),
        "training_patients": len({record.patient for record in training}),
        "held_out_patients": len(held_out),
        "epochs": len(history),
        "seconds": round(time.monotonic() - started),
        "machine": _machine(recipe),
        "parameters": member.count_params(),
    }
    if held_out:
        names = ("clean", *SUITE)
        table = score(member, dataset, held_out, recipe.input, names)
        table.to_csv(folder.predictions, index=False, float_format="%.6f")
        summary["auc"] = {name: auc(table["label"], table[name]) for name in names}
    folder.summary.write_text(json.dumps(summary, indent=2) + "\n")
    return summary


def score(
    member: keras.Model,
    dataset: Dataset,
    records: Sequence[Record],
    spec: InputSpec,
    names: Sequence[str],
) -> pd.DataFrame:
    """Probabilities of one member under each perturbation.

    Returns:
        A row for each record: name, patient, label, aetiology, and a probability for each of
        ``names``.
    """
    table = pd.DataFrame(
        {
            "name": [record.name for record in records],
            "patient": [record.patient for record in records],
            "label": [record.label for record in records],
            "aetiology": [record.aetiology for record in records],
        }
    )
    for name in track(names, description="Scoring the held-out fold"):
        tensors = tensors_of(dataset, records, spec, name)
        table[name] = member.predict(tensors, batch_size=PREDICT_BATCH, verbose=0)[:, 0]
    return table


def _claim(folder: RunFolder, recipe: Recipe, dataset: Dataset) -> None:
    """Mark the folder as this run's, or refuse: half of one recipe must not resume as another."""
    claim = claim_of(recipe, dataset.scan.digest)
    if folder.claim.exists():
        standing = json.loads(folder.claim.read_text())
        if not _is_of(standing, claim):
            raise DataError(
                f"{folder.path} holds a run of another recipe or of other images. "
                "Remove it, or choose another folder with --runs."
            )
        return
    folder.path.mkdir(parents=True, exist_ok=True)
    folder.claim.write_text(json.dumps(claim, indent=2) + "\n")


def _is_of(standing: dict[str, Any], claim: dict[str, Any]) -> bool:
    try:
        # Fields that recipes have gained since are filled in, at the values that change nothing.
        recipe = Recipe.model_validate(standing["recipe"])
    except ValidationError:  # of a version that took other recipes
        return False
    return claim_of(recipe, standing["data"]) == claim


def claim_of(recipe: Recipe, data_digest: str) -> dict[str, Any]:
    """What a run is made from, as JSON: two runs with one claim are the same run."""
    return {"recipe": recipe.model_dump(mode="json"), "data": data_digest}


def train(
    dataset: Dataset,
    recipe: Recipe,
    folder: RunFolder,
    training: Sequence[Record],
    watch: HeldOutScore | None,
    further: Sequence[keras.callbacks.Callback] = (),
) -> tuple[keras.Model, pd.DataFrame]:
    """Train on these records, or resume, with checkpoints and the log in the run's folder.

    Args:
        dataset: Where the frames are.
        recipe: The member's recipe.
        folder: An existing folder of this run.
        training: Records to draw from.
        watch: Scores the held-out images after each epoch, and so decides which epoch is kept.
        further: Callbacks that come after the epoch is scored and logged.

    Returns:
        The trained network with both heads, and the log: a row for each epoch.
    """
    keras.utils.set_random_seed(recipe.seed)
    keras.config.set_dtype_policy(policy_of(recipe.precision))
    schedule = recipe.schedule
    model = build_trainable(recipe.input, recipe.architecture)
    if recipe.start is not None:
        model.load_weights(_weights_of(folder.of(recipe.start)))
    steps = schedule.images_per_epoch // schedule.batch
    warmup = round(schedule.warmup_epochs * steps)
    model.compile(
        keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(
                schedule.learning_rate / 25,
                decay_steps=schedule.epochs * steps - warmup,
                warmup_target=schedule.learning_rate,
                warmup_steps=warmup,
            ),
            weight_decay=schedule.weight_decay,
        ),
        loss={
            PNEUMONIA: keras.losses.BinaryCrossentropy(label_smoothing=schedule.label_smoothing),
            AETIOLOGY: keras.losses.CategoricalCrossentropy(
                label_smoothing=schedule.label_smoothing
            ),
        },
        loss_weights={PNEUMONIA: 1.0, AETIOLOGY: schedule.aetiology_weight},
    )
    log = folder.path / "log.csv"
    sampler = BalancedSampler(training, dataset.views, dataset.store.path, recipe)
    callbacks: list[keras.callbacks.Callback] = [
        keras.callbacks.BackupAndRestore(str(folder.path / "resume")),
        BeginEpoch(sampler),
    ]
    if watch:
        callbacks.append(watch)
    if schedule.average > 1:
        callbacks.append(LastEpochs(folder.path / "epochs", schedule))
    elif watch:
        callbacks.append(
            keras.callbacks.EarlyStopping(
                MONITOR, mode="max", patience=schedule.patience, restore_best_weights=True
            )
        )
    rows = keras.callbacks.CSVLogger(str(log), append=True)
    callbacks += [rows, *further]
    try:
        model.fit(
            sampler,
            epochs=schedule.epochs,
            callbacks=callbacks,
            verbose=1 if Console().is_terminal else 2,
        )
    finally:
        sampler.close()
        if rows.csv_file is not None:  # Keras leaves it open when a run is interrupted
            rows.csv_file.close()
    return model, pd.read_csv(log)


def _weights_of(start: RunFolder) -> Path:
    if not start.weights.exists():
        raise DataError(
            f"{start.path} was made by an earlier version and holds no {start.weights.name}. "
            "Remove it: that run is then made anew."
        )
    return start.weights


def _machine(recipe: Recipe) -> str:
    backend, policy = keras.backend.backend(), policy_of(recipe.precision)
    return f"{platform.machine()}, {os.cpu_count()} cores, {backend} backend in {policy}"
