"""The cross-hospital table: what a bundle makes of films that it was never trained on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from service.inference import Manifest
from training.data import DataError
from training.evaluation.figures import label_array, operating, refusals
from training.evaluation.films import read_folder
from training.evaluation.pipeline import Pipeline
from training.evaluation.scoring import (
    CLEAN,
    answered,
    member_probabilities,
    probabilities,
    score_once,
    unchanged,
)
from training.evaluation.tables import markdown, percent, ratio

MONTGOMERY: Final = "adults_montgomery"
OLDER_CHILDREN: Final = "children_11_to_17"
NIH: Final = "adults_nih"

Choice = Callable[[pd.DataFrame], "pd.Series[bool]"]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table: which films of which set, and what they are.

    Attributes:
        name: Key of the row.
        source: Name of the folder.
        title: For people.
        chosen: Of a table of scores, the films that belong to the row.
        held_out: Whether no part of it was trained on even if training saw half of the NIH set.
    """

    name: str
    source: str
    title: str
    chosen: Choice
    held_out: bool = True


def _all(table: pd.DataFrame) -> "pd.Series[bool]":
    return pd.Series(data=True, index=table.index, dtype=bool)


def _view(view: str, *, odd: bool) -> Choice:
    return lambda table: (table["view"] == view) & (table["odd"] | (not odd))


ROWS: Final = (
    Row("montgomery", MONTGOMERY, "Adults, Montgomery County: normal and tuberculosis", _all),
    Row("older_children", OLDER_CHILDREN, "Children of 11 to 17, NIH: normal", _all),
    Row("nih_pa", NIH, "Adults, NIH, PA", _view("PA", odd=False), held_out=False),
    Row("nih_ap", NIH, "Adults, NIH, AP (in bed)", _view("AP", odd=False), held_out=False),
    Row("nih_pa_odd", NIH, "Adults, NIH, PA, odd patient numbers", _view("PA", odd=True)),
    Row("nih_ap_odd", NIH, "Adults, NIH, AP, odd patient numbers", _view("AP", odd=True)),
)


def score_external(pipeline: Pipeline, data: Path, cache: Path) -> dict[str, pd.DataFrame]:
    """Score the three sets under one folder.

    Returns:
        Tables of scores by name of the set.

    Raises:
        DataError: A set is missing.
    """
    tables = {}
    for source in (MONTGOMERY, OLDER_CHILDREN, NIH):
        folder = read_folder(data / source)
        if source == NIH and not any(film.view for film in folder.films):
            raise DataError(f"{data / source} needs a patients.csv with the column view.")
        tables[source] = score_once(pipeline, folder.films, CLEAN, unchanged, cache)
    return tables


def external_figures(tables: Mapping[str, pd.DataFrame], manifest: Manifest) -> dict[str, Any]:
    """The table's figures for one bundle.

    Args:
        tables: Scores by name of the set.
        manifest: Of the bundle that gave them.

    Returns:
        ``bundle`` (name and version), ``threshold``, and under ``rows`` by the name of each row:
        its title, counts, refusals, the ensemble's figures and under ``members`` each member's.
        ``false_positives`` is the share of films without a finding that are called pneumonia.
    """
    rows = {}
    for row in ROWS:
        table = tables[row.source]
        chosen = table[row.chosen(table)]
        rows[row.name] = {
            "title": row.title,
            "held_out": row.held_out,
            **_figures(chosen, manifest),
        }
    return {
        "bundle": f"{manifest.name} {manifest.version}",
        "threshold": manifest.threshold.value,
        "rows": rows,
    }


def _figures(table: pd.DataFrame, manifest: Manifest) -> dict[str, Any]:
    rows = answered(table)
    labels, patients = label_array(rows), rows["patient"].astype(str).tolist()
    cut = manifest.threshold.value
    return {
        "normal": int((table["label"] == 0).sum()),
        "positive": int((table["label"] == 1).sum()),
        "patients": int(table["patient"].nunique()),
        "refused": refusals(table),
        **with_false_positives(operating(labels, probabilities(rows, manifest), patients, cut)),
        "members": {
            name: with_false_positives(operating(labels, scores, patients, cut))
            for name, scores in member_probabilities(rows, manifest).items()
        },
    }


def with_false_positives(figures: dict[str, Any]) -> dict[str, Any]:
    """Add the complement of the specificity, which is how people ask for it."""
    spec = figures["specificity"]
    if spec is None:
        return figures | {"false_positives": None}
    low, high = 1 - spec["high"], 1 - spec["low"]
    flipped = {"value": 1 - spec["value"], "low": low, "high": high}
    rounded = {key: round(float(np.clip(value, 0, 1)), 4) for key, value in flipped.items()}
    return figures | {"false_positives": rounded | {"n": spec["n"]}}


def external_table(bundles: Sequence[Mapping[str, Any]]) -> str:
    """The figures of one or more bundles as a Markdown table, row by row beside each other.

    Args:
        bundles: As ``external_figures`` gives them.
    """
    lines = []
    for row in ROWS:
        for figures in bundles:
            found = figures["rows"][row.name]
            refused = sum(group["films"] for group in found["refused"].values())
            lines.append(
                {
                    "films": found["title"],
                    "bundle": figures["bundle"],
                    "without / with finding": f"{found['normal']} / {found['positive']}",
                    "AUC": ratio(found["auc"]),
                    "called PNEUMONIA without finding": percent(found["false_positives"]),
                    "with finding": percent(found["sensitivity"]),
                    "refused": refused,
                }
            )
    return markdown(lines)
