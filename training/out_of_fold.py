"""Out-of-fold predictions: for each patient, what members said that had not trained on them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from service.inference.probability import Rule, combine
from training.data import DataError
from training.fit import RunFolder

FACTS: Final = ("name", "patient", "label", "aetiology")


@dataclass(frozen=True)
class OutOfFold:
    """Predictions of all members on the same patients, under the same perturbations.

    Attributes:
        facts: A row for each patient: name, patient, label, aetiology, fold.
        conditions: ``clean`` and the names of the perturbations.
        members: By member, the probabilities: shape (patients, conditions).
    """

    facts: pd.DataFrame
    conditions: tuple[str, ...]
    members: dict[str, NDArray[np.float64]]

    @property
    def labels(self) -> NDArray[np.int64]:
        """1 for pneumonia, 0 for normal: shape (patients,)."""
        return self.facts["label"].to_numpy(dtype=np.int64)

    @property
    def patients(self) -> list[str]:
        """Key of each row's patient."""
        return [str(patient) for patient in self.facts["patient"]]

    def combined(self, rule: Rule) -> NDArray[np.float64]:
        """The ensemble's uncalibrated probabilities: shape (patients, conditions)."""
        stacked = np.stack(list(self.members.values()), axis=-1)
        flat = combine(stacked.reshape(-1, stacked.shape[-1]), rule)
        return flat.reshape(stacked.shape[:-1])


def collect(runs: Path, recipes: Sequence[str], folds: Collection[int] | None = None) -> OutOfFold:
    """Read the finished folds of these recipes, or those of them that are named.

    Raises:
        DataError: A recipe has no finished fold, or the recipes finished different folds.
    """
    tables = {recipe: _read(runs, recipe, folds) for recipe in recipes}
    first = tables[recipes[0]]
    for recipe, table in tables.items():
        if list(table["name"]) != list(first["name"]) or list(table) != list(first):
            raise DataError(
                f"The recipes {recipes[0]} and {recipe} have finished different folds. "
                "Fit both on the same folds first."
            )
    conditions = tuple(str(column) for column in first if column not in (*FACTS, "fold"))
    return OutOfFold(
        facts=first[[*FACTS, "fold"]],
        conditions=conditions,
        members={name: table[list(conditions)].to_numpy() for name, table in tables.items()},
    )


def finished_folds(runs: Path, recipe: str) -> list[int]:
    """Folds whose run is complete, in order."""
    found = (int(p.name.removeprefix("fold-")) for p in (runs / recipe).glob("fold-*"))
    return sorted(fold for fold in found if RunFolder(runs, recipe, fold).summary.exists())


def _read(runs: Path, recipe: str, folds: Collection[int] | None) -> pd.DataFrame:
    parts = [
        pd.read_csv(RunFolder(runs, recipe, fold).predictions).assign(fold=fold)
        for fold in finished_folds(runs, recipe)
        if folds is None or fold in folds
    ]
    if not parts:
        raise DataError(f"No fold of the recipe {recipe} is finished. Run `fit --fold 0` first.")
    return pd.concat(parts, ignore_index=True)
