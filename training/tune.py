"""A tuning study: many recipes on a short schedule, judged on held-out patients under perturbation.

Optuna's tree-structured Parzen estimator (Bergstra et al. 2011) proposes, the median rule (Golovin
et al. 2017) ends what lags behind. The study lives in a journal in the runs folder: it may be
interrupted at any moment and goes on where it stopped.
"""

import json
import shutil
import sqlite3
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import optuna
import pandas as pd
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from training.callbacks import HeldOutScore
from training.config import Recipe
from training.data import FOLDS, DataError, one_per_patient, split
from training.dataset import Dataset
from training.fit import RunFolder, train
from training.search import SPACE, cost_of, point_of, recipe_at, shortened
from training.suite import QUICK_SUITE

CONDITIONS: Final = ("clean", *QUICK_SUITE)
TOO_LARGE: Final = "too large"

_NAME: Final = "tune"
_RANDOM_TRIALS: Final = 4
"""Trials before the estimator and the pruner have seen enough to judge by."""


@dataclass(frozen=True)
class Protocol:
    """What all trials of a study have in common."""

    base: Recipe
    folds: tuple[int, ...] = (4,)
    side: int = 128
    epochs: int = 3
    images_per_epoch: int = 2048
    seed: int = 1

    def claim(self, data_digest: str) -> dict[str, Any]:
        """The protocol and the data as JSON: trials of two claims must not be compared."""
        return {
            "base": self.base.model_dump(mode="json"),
            "folds": list(self.folds),
            "side": self.side,
            "epochs": self.epochs,
            "images_per_epoch": self.images_per_epoch,
            "seed": self.seed,
            "data": data_digest,
        }

    def recipe(self, trial: FrozenTrial | Trial) -> Recipe:
        """What a trial trains, before it is shortened."""
        return recipe_at(self.base, trial.params, _trial_name(trial.number))


@dataclass(frozen=True)
class Study:
    """A study and where it keeps its things."""

    protocol: Protocol
    folder: Path
    trials: optuna.Study

    def predictions(self, number: int) -> pd.DataFrame:
        """What a finished trial said of the held-out patients."""
        return pd.read_csv(self.folder / _trial_name(number) / "predictions.csv")


def tune(
    dataset: Dataset, protocol: Protocol, runs: Path, count: int
) -> Generator[Study, None, None]:
    """Run trials until ``count`` of them have been trained, to the end or until pruned.

    The base recipe is the first trial. A trial that was running when an earlier call was ended is
    marked as failed and its parameters are tried again. Networks over the limits of
    ``training.search`` are not trained and do not count.

    Yields:
        The study: once before the first trial, then after each.

    Raises:
        DataError: The folder holds a study of another protocol or of other images, or another
            process is at work on it.
    """
    for fold in protocol.folds:
        if not 0 <= fold < FOLDS:
            raise DataError(f"There is no fold {fold}: folds are 0 to {FOLDS - 1}.")
    folder = runs / _NAME
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        study = _open(dataset, protocol, folder)
        yield study
        bench = _Bench(dataset, study)
        while _trained(study.trials) < count:
            # One sampler for each trial: a resumed study draws what an uninterrupted one would.
            number = len(study.trials.trials)
            study.trials.sampler = optuna.samplers.TPESampler(
                seed=protocol.seed * 1000 + number, n_startup_trials=_RANDOM_TRIALS
            )
            trial = study.trials.ask(fixed_distributions=SPACE)
            try:
                value = bench.run(trial)
            except optuna.TrialPruned:
                study.trials.tell(trial, state=TrialState.PRUNED)
            else:
                study.trials.tell(trial, value)
            yield study


def best_recipe(study: Study, name: str) -> Recipe:
    """The recipe of the best finished trial, at full size and schedule.

    Raises:
        DataError: No trial has finished.
    """
    done = study.trials.get_trials(states=(TrialState.COMPLETE,))
    if not done:
        raise DataError("No trial of the study has finished.")
    best = study.trials.best_trial
    return recipe_at(study.protocol.base, best.params, name).model_copy(
        update={
            "note": f"Trial {best.number} of the study, the best of {_trained(study.trials)} that "
            "were trained, by mean held-out AUC under perturbation on a short schedule "
            f"({best.value:.4f})."
        }
    )


class _Bench:
    """Trains trials one after another; the held-out images are prepared once for all of them."""

    def __init__(self, dataset: Dataset, study: Study) -> None:
        self._dataset = dataset
        self._study = study
        self._splits = {
            fold: split(dataset.scan.records, dataset.folds, fold) for fold in study.protocol.folds
        }
        self._watches: dict[int, HeldOutScore] = {}

    def run(self, trial: Trial) -> float:
        """Train one trial on each fold; returns its mean held-out AUC over the quick suite.

        Raises:
            optuna.TrialPruned: It lags behind the others, or its network is too large.
        """
        protocol = self._study.protocol
        keras.utils.clear_session()
        full = protocol.recipe(trial)
        cost = cost_of(full)
        trial.set_user_attr("parameters", cost.parameters)
        trial.set_user_attr("gflop", cost.gflop)
        if not cost.allowed:
            trial.set_user_attr("remark", TOO_LARGE)
            raise optuna.TrialPruned(TOO_LARGE)
        recipe = shortened(
            full,
            side=protocol.side,
            epochs=protocol.epochs,
            images_per_epoch=protocol.images_per_epoch,
        )
        root = self._study.folder / recipe.name
        shutil.rmtree(root, ignore_errors=True)
        report = _Report(trial, protocol.epochs)
        tables = []
        for fold in protocol.folds:
            folder = RunFolder(self._study.folder, recipe.name, fold)
            folder.path.mkdir(parents=True)
            watch = self._watch(fold, recipe)
            try:
                train(self._dataset, recipe, folder, self._splits[fold][0], watch, [report])
            finally:
                shutil.rmtree(folder.path / "resume", ignore_errors=True)
            tables.append(self._table(fold, watch))
        pd.concat(tables).to_csv(root / "predictions.csv", index=False, float_format="%.6f")
        return report.value

    def _watch(self, fold: int, recipe: Recipe) -> HeldOutScore:
        if fold not in self._watches:
            held_out = one_per_patient(self._splits[fold][1])
            self._watches[fold] = HeldOutScore(self._dataset, held_out, recipe.input)
        return self._watches[fold]

    def _table(self, fold: int, watch: HeldOutScore) -> pd.DataFrame:
        held_out = one_per_patient(self._splits[fold][1])
        facts = {
            "patient": [record.patient for record in held_out],
            "label": [record.label for record in held_out],
        }
        return pd.DataFrame({**facts, **watch.probabilities})


class _Report(keras.callbacks.Callback):
    """After each epoch: tell the study, and end the trial where it lags behind.

    The figures are those of the last epoch, and not of the best, which would be picked by the very
    patients that it is judged on.
    """

    def __init__(self, trial: Trial, epochs: int) -> None:
        super().__init__()
        self._trial = trial
        self._epochs = epochs
        self._folds: list[dict[str, float]] = []
        self._begun = time.monotonic()

    @property
    def value(self) -> float:
        """Mean AUC over the quick suite and the folds so far."""
        return float(np.mean([fold[name] for fold in self._folds for name in QUICK_SUITE]))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        figures = {name: (logs or {})[f"held_out_auc_{name}"] for name in CONDITIONS}
        if epoch > 0:
            self._folds.pop()
        self._folds.append(figures)
        means = {
            name: round(float(np.mean([fold[name] for fold in self._folds])), 6)
            for name in CONDITIONS
        }
        step = (len(self._folds) - 1) * self._epochs + epoch + 1
        self._trial.report(self.value, step)
        self._trial.set_user_attr("auc", means)
        self._trial.set_user_attr("epochs", step)
        self._trial.set_user_attr("seconds", round(time.monotonic() - self._begun))
        if self._trial.should_prune():
            raise optuna.TrialPruned(f"behind the median after {step} epochs")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the study for this process; the system lets go of it however the process ends."""
    connection = sqlite3.connect(folder / "lock.sqlite", timeout=0, isolation_level=None)
    with closing(connection):
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise DataError(f"Another process is at work on the study in {folder}.") from error
        yield


def _open(dataset: Dataset, protocol: Protocol, folder: Path) -> Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    point = point_of(protocol.base)
    trials = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(folder / "study.journal"))),
        study_name=_NAME,
        direction="maximize",
        load_if_exists=True,
        # No judgement after the first epoch, whose figures say little.
        pruner=optuna.pruners.MedianPruner(n_startup_trials=_RANDOM_TRIALS, n_warmup_steps=2),
    )
    claim = json.loads(json.dumps(protocol.claim(dataset.scan.digest)))
    standing = trials.user_attrs.get("claim", claim)
    # Fields that recipes have gained since are filled in, at the values that change nothing.
    base = Recipe.model_validate(standing["base"]).model_dump(mode="json")
    if standing | {"base": base} != claim:
        raise DataError(
            f"{folder} holds a study of another protocol or of other images. "
            "Remove it, or choose another folder with --runs."
        )
    if "claim" not in trials.user_attrs:
        trials.set_user_attr("claim", claim)
        trials.enqueue_trial(point)
    for trial in trials.get_trials(states=(TrialState.RUNNING,)):
        trials.enqueue_trial(trial.params, user_attrs={"remark": f"again trial {trial.number}"})
        trials.tell(trial.number, state=TrialState.FAIL)
    return Study(protocol, folder, trials)


def _trained(study: optuna.Study) -> int:
    finished = study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))
    return sum(trial.user_attrs.get("remark") != TOO_LARGE for trial in finished)


def _trial_name(number: int) -> str:
    return f"trial-{number}"
