"""Probabilities that call for a radiologist: conformal prediction within each class.

Of each class, the films whose probability speaks most against it, up to the target share, are those
that may be assessed wrongly (Mondrian conformal prediction: Vovk 2005; Sadinle, Lei and Wasserman
2019, arXiv:1609.00451; Angelopoulos and Bates 2021, arXiv:2107.07511). That holds for films that
are exchangeable with those of the calibration, which films of another block of patients are not.
The range is therefore the widest that any block asks for by itself, it is tried on each block with
the limits of the others, and the error that the bundle states is what was found there at worst.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import JsonValue

from service.inference import Indeterminate
from training.data import DataError
from training.evaluation.statistics import wilson

ERRORS: Final = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1)
"""Target errors of the coverage-risk curve."""

DECIMALS: Final = 4
MAX_STATED: Final = 0.5
CLASSES: Final = ("normal", "pneumonia")
"""Names of the labels 0 and 1."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
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


Worlds = Mapping[str, Table]
"""Answers to the same films in different conditions, such as other frames; the first is that of the
films as they are."""


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


def films_needed(error: float) -> int:
    """Fewest films of each class for an error."""
    # Without the nudge 1 / 0.05 - 1 is a trifle above 19.
    return ceil(1 / error - 1 - 1e-9)


def bounds(table: Table, error: float, threshold: float) -> tuple[float, float]:
    """The range that is indeterminate: lower and upper bound, both included.

    Args:
        table: At least ``films_needed`` films of each class.
        error: Largest share of each class that may be assessed as the other.
        threshold: Of the operating point, which the range includes.

    Raises:
        DataError: There are too few films of a class for so small an error.
    """
    normal, sick = (np.sort(table.probabilities[table.labels == label]) for label in (0, 1))
    # A film counts as wrong beyond the k-th most extreme of its class; k - 1 of those are.
    ranks = [floor(error * (len(values) + 1) + 1e-9) for values in (normal, sick)]
    if min(ranks) < 1:
        raise DataError(
            f"An error of {error:g} needs {films_needed(error)} films of each class; there are "
            f"{len(normal)} normal and {len(sick)} pneumonia."
        )
    # Where the classes are so far apart that the cuts change places, the threshold alone will do.
    lower = min(float(sick[ranks[1] - 1]), threshold)
    upper = max(float(normal[-ranks[0]]), threshold)
    scale = 10**DECIMALS
    return floor(lower * scale) / scale, ceil(upper * scale) / scale


def cautious_bounds(worlds: Worlds, error: float, threshold: float) -> tuple[float, float]:
    """The widest range that all films together, or any block of them, ask for in any world.

    A block with too few films for a range of its own counts among all films only.

    Args:
        worlds: See ``Worlds``.
        error: See ``bounds``.
        threshold: See ``bounds``.

    Raises:
        DataError: All films together are too few.
    """
    found = []
    for table in worlds.values():
        found.append(bounds(table, error, threshold))
        for fold in np.unique(table.folds):
            block = table.where(table.folds == fold)
            if np.bincount(block.labels, minlength=2).min() >= films_needed(error):
                found.append(bounds(block, error, threshold))
    return min(low for low, _ in found), max(high for _, high in found)


def indeterminate(worlds: Worlds, error: float, threshold: float, fitted_on: str) -> Indeterminate:
    """The manifest's entry: the cautious range, and the error that its trial supports.

    Args:
        worlds: See ``Worlds``; films of at least two folds.
        error: The target, see ``bounds``.
        threshold: See ``bounds``.
        fitted_on: What the films are.

    Raises:
        DataError: There are too few films, with one fold left out too, or half of a class is
            assessed wrongly in a fold.
    """
    lower, upper = cautious_bounds(worlds, error, threshold)
    trial = held_out(worlds, error, threshold)
    clean = next(iter(worlds.values()))
    worst = max(trial[f"worst_{name}"] for name in CLASSES)
    stated = max(error, ceil(1000 * worst - 1e-9) / 1000)
    if stated >= MAX_STATED:
        raise DataError(
            f"In one block of films, {worst:.0%} of a class were assessed as the other: no range "
            "that other blocks choose holds there."
        )
    return Indeterminate(
        lower=lower,
        upper=upper,
        error=stated,
        target=error,
        coverage=round(coverage(clean, lower, upper), 4),
        fitted_on=fitted_on,
        metrics=trial | {"curve": curve(worlds, threshold)},
    )


def coverage(table: Table, lower: float, upper: float) -> float:
    """Share of films that are assessed, and not indeterminate."""
    return float(((table.probabilities < lower) | (table.probabilities > upper)).mean())


def held_out(worlds: Worlds, error: float, threshold: float) -> dict[str, Any]:
    """Try the cautious range on each block, as the other blocks choose it.

    Args:
        worlds: See ``Worlds``.
        error: The target, see ``bounds``.
        threshold: See ``bounds``.

    Returns:
        ``folds``, their number; ``coverage`` of the films as they are; for each class, ``normal``
        and ``pneumonia``, the share of all its answers that were assessed as the other, with its
        interval, and the shares of the block where it was least and most common in any world:
        ``best_normal``, ``worst_normal``, ``best_pneumonia``, ``worst_pneumonia``.

    Raises:
        DataError: There is one fold only, or too few films without one of them.
    """
    clean = next(iter(worlds.values()))
    folds = np.unique(clean.folds)
    if len(folds) < 2:
        raise DataError("To try a range on films that had no part in its choice needs two folds.")
    assessed: list[NDArray[np.bool_]] = []
    wrong: dict[str, list[NDArray[np.bool_]]] = {name: [] for name in CLASSES}
    for fold in folds:
        others = {name: table.where(table.folds != fold) for name, table in worlds.items()}
        lower, upper = cautious_bounds(others, error, threshold)
        for table in worlds.values():
            here = table.where(table.folds == fold)
            below, above = here.probabilities < lower, here.probabilities > upper
            if table is clean:
                assessed.append(below | above)
            wrong["normal"].append(above[here.labels == 0])
            wrong["pneumonia"].append(below[here.labels == 1])
    found: dict[str, Any] = {
        "folds": len(folds),
        "coverage": round(float(np.concatenate(assessed).mean()), 4),
    }
    for name, parts in wrong.items():
        together = np.concatenate(parts)
        shares = [float(part.mean()) for part in parts if part.size]
        found[name] = wilson(int(together.sum()), len(together)).as_json() | {"n": len(together)}
        found[f"best_{name}"], found[f"worst_{name}"] = (
            round(share, 4) for share in (min(shares), max(shares))
        )
    return found


def curve(
    worlds: Worlds, threshold: float, errors: Sequence[float] = ERRORS
) -> list[dict[str, JsonValue]]:
    """Coverage and risk at several target errors, each on folds that had no part in the choice.

    Args:
        worlds: See ``Worlds``; films of at least two folds.
        threshold: See ``bounds``.
        errors: Target errors.

    Returns:
        For each target that the films suffice for: ``error``, the target, and what ``held_out``
        gives.
    """
    rows: list[dict[str, JsonValue]] = []
    for error in errors:
        try:
            rows.append({"error": error, **held_out(worlds, error, threshold)})
        except DataError:
            continue
    return rows


def curve_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The curve as a Markdown table for the card."""
    lines = [
        "| target | assessed | normals called pneumonia (blocks) "
        "| pneumonias called normal (blocks) |",
        "| ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {row['error']:.1%} | {row['coverage']:.1%} | {_risk(row, 'normal')} "
        f"| {_risk(row, 'pneumonia')} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def _risk(row: Mapping[str, Any], name: str) -> str:
    return f"{row[name]['value']:.1%} ({row[f'best_{name}']:.1%} to {row[f'worst_{name}']:.1%})"
