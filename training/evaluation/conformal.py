"""Probabilities that call for a radiologist: conformal prediction within each class.

Of each class, the films whose probability speaks most against it, up to the stated share, are those
that may be assessed wrongly (Mondrian conformal prediction: Vovk 2005; Sadinle, Lei and Wasserman
2019, arXiv:1609.00451; Angelopoulos and Bates 2021, arXiv:2107.07511). The bound holds for films
that are exchangeable with those of the calibration, in expectation over calibrations.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from service.inference import Indeterminate
from training.data import DataError

ERRORS: Final = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1)
"""Stated errors of the coverage-risk curve."""

DECIMALS: Final = 4

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Out-of-fold answers.

    Attributes:
        labels: Shape (N,), 0 or 1.
        probabilities: Shape (N,), calibrated, as the service answers them.
        folds: Shape (N,), the block of each film's patient.
    """

    labels: NDArray[np.int64]
    probabilities: Floats
    folds: NDArray[np.int64]

    def where(self, keep: NDArray[np.bool_]) -> "Table":
        """Some of the rows."""
        return Table(self.labels[keep], self.probabilities[keep], self.folds[keep])


def read_worlds(path: Path) -> dict[str, Table]:
    """Read a CSV of answers: columns label, probability, fold and, if there are several, world.

    Raises:
        DataError: A column is missing.
    """
    rows = pd.read_csv(path)
    missing = {"label", "probability", "fold"} - set(rows.columns)
    if missing:
        raise DataError(f"{path.name} lacks the column {min(missing)}.")
    if "world" not in rows:
        rows["world"] = "films as they are"
    return {
        str(world): Table(
            part["label"].to_numpy(np.int64),
            part["probability"].to_numpy(np.float64),
            part["fold"].to_numpy(np.int64),
        )
        for world, part in rows.groupby("world", sort=False)
    }


def bounds(table: Table, error: float, threshold: float) -> tuple[float, float]:
    """The range that is indeterminate: lower and upper bound, both included.

    Args:
        table: At least ``1 / error - 1`` films of each class.
        error: Largest share of each class that may be assessed as the other.
        threshold: Of the operating point, which the range includes.

    Raises:
        DataError: There are too few films of a class for so small an error.
    """
    normal, sick = (np.sort(table.probabilities[table.labels == label]) for label in (0, 1))
    # A film counts as wrong beyond the k-th most extreme of its class; k - 1 of those are.
    ranks = [floor(error * (len(values) + 1)) for values in (normal, sick)]
    if min(ranks) < 1:
        needed = ceil(1 / error - 1)
        raise DataError(
            f"An error of {error:g} needs {needed} films of each class; there are {len(normal)} "
            f"normal and {len(sick)} pneumonia."
        )
    # Where the classes are so far apart that the cuts change places, the threshold alone will do.
    lower = min(float(sick[ranks[1] - 1]), threshold)
    upper = max(float(normal[-ranks[0]]), threshold)
    scale = 10**DECIMALS
    return floor(lower * scale) / scale, ceil(upper * scale) / scale


def indeterminate(
    worlds: Mapping[str, Table], error: float, threshold: float, fitted_on: str
) -> Indeterminate:
    """The manifest's entry: the widest range that any world asks for.

    Args:
        worlds: Answers to the same films in different conditions, such as other frames; the first
            is that of the films as they are.
        error: See ``bounds``.
        threshold: See ``bounds``.
        fitted_on: What the films are.
    """
    found = [bounds(table, error, threshold) for table in worlds.values()]
    lower, upper = min(low for low, _ in found), max(high for _, high in found)
    clean = next(iter(worlds.values()))
    return Indeterminate(
        lower=lower,
        upper=upper,
        error=error,
        coverage=round(coverage(clean, lower, upper), 4),
        fitted_on=fitted_on,
    )


def coverage(table: Table, lower: float, upper: float) -> float:
    """Share of films that are assessed, and not indeterminate."""
    return float(((table.probabilities < lower) | (table.probabilities > upper)).mean())


def curve(
    table: Table, threshold: float, errors: Sequence[float] = ERRORS
) -> list[dict[str, float]]:
    """Coverage and risk at several stated errors, each on folds that had no part in the choice.

    Args:
        table: Films of at least two folds.
        threshold: See ``bounds``.
        errors: Stated errors.

    Returns:
        For each stated error that the films suffice for: ``error``, ``coverage``, and the shares of
        normal and of pneumonia films that were assessed wrongly, ``normal`` and ``pneumonia``, with
        the largest of any fold, ``worst_normal`` and ``worst_pneumonia``.
    """
    rows = []
    for error in errors:
        try:
            rows.append({"error": error, **_held_out(table, error, threshold)})
        except DataError:
            continue
    return rows


def _held_out(table: Table, error: float, threshold: float) -> dict[str, float]:
    assessed: list[NDArray[np.bool_]] = []
    wrong: dict[int, list[NDArray[np.bool_]]] = {0: [], 1: []}
    for fold in np.unique(table.folds):
        lower, upper = bounds(table.where(table.folds != fold), error, threshold)
        here = table.where(table.folds == fold)
        below, above = here.probabilities < lower, here.probabilities > upper
        assessed.append(below | above)
        wrong[0].append(above[here.labels == 0])
        wrong[1].append(below[here.labels == 1])
    found = {"coverage": float(np.concatenate(assessed).mean())}
    for label, name in ((0, "normal"), (1, "pneumonia")):
        found[name] = float(np.concatenate(wrong[label]).mean())
        found[f"worst_{name}"] = max(float(part.mean()) for part in wrong[label] if part.size)
    return {name: round(value, 4) for name, value in found.items()}


def curve_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The curve as a Markdown table for the card."""
    lines = [
        "| stated error | assessed | normals called pneumonia (worst fold) "
        "| pneumonias called normal (worst fold) |",
        "| ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {row['error']:.1%} | {row['coverage']:.1%} "
        f"| {row['normal']:.1%} ({row['worst_normal']:.1%}) "
        f"| {row['pneumonia']:.1%} ({row['worst_pneumonia']:.1%}) |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"
