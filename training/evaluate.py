"""A bundle on any labelled folder, through the service's own preprocessing and ensemble."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from service.inference.ensemble import Ensemble
from training import plots
from training.data import Record, Scan, read_radiograph
from training.frames import to_tensor
from training.metrics import predictive_values
from training.results import operating_figures, suite_figures
from training.suite import SUITE, perturb

_BATCH: Final = 32


@dataclass(frozen=True)
class Scores:
    """Probabilities of a bundle on the images of a folder.

    Attributes:
        records: The images, in order.
        conditions: ``clean``, then the perturbations that were run.
        ensemble: Calibrated probabilities: shape (images, conditions).
        members: By member: shape (images, conditions).
    """

    records: tuple[Record, ...]
    conditions: tuple[str, ...]
    ensemble: NDArray[np.float64]
    members: dict[str, NDArray[np.float64]]

    @property
    def labels(self) -> NDArray[np.int64]:
        """1 for pneumonia, 0 for normal."""
        return np.array([record.label for record in self.records], dtype=np.int64)

    @property
    def patients(self) -> list[str]:
        """Patient of each image."""
        return [record.patient for record in self.records]


def score_folder(ensemble: Ensemble, scan: Scan, *, suite: bool) -> Scores:
    """Score every image of a folder, clean and, if asked for, under the perturbation suite."""
    conditions = ("clean", *SUITE) if suite else ("clean",)
    spec = ensemble.bundle.manifest.input
    rows: list[list[float]] = []
    columns: dict[str, list[list[float]]] = {m.name: [] for m in ensemble.bundle.manifest.members}
    for start in track(range(0, len(scan.records), _BATCH), description="Scoring"):
        frames = [read_radiograph(r.path).pixels for r in scan.records[start : start + _BATCH]]
        batch = [to_tensor(perturb(f, name), spec) for f in frames for name in conditions]
        scores = ensemble.score(np.stack(batch))
        for first in range(0, len(scores), len(conditions)):
            group = scores[first : first + len(conditions)]
            rows.append([score.probability for score in group])
            for index, name in enumerate(columns):
                columns[name].append([score.members[index].probability for score in group])
    members = {name: np.array(values) for name, values in columns.items()}
    return Scores(scan.records, conditions, np.array(rows), members)


def report(scores: Scores, threshold: float, prevalence: float) -> dict[str, Any]:
    """All figures of an evaluation, for the ensemble and for each member.

    Args:
        scores: What the bundle said.
        threshold: The bundle's operating point, used for the members too.
        prevalence: Share of pneumonia, 0 to 1, for which predictive values are computed.
    """
    labels, patients = scores.labels, scores.patients
    named = {"ensemble": scores.ensemble, **scores.members}
    figures: dict[str, Any] = {
        "images": len(labels),
        "patients": len(set(patients)),
        "pneumonia": int(labels.sum()),
        "threshold": threshold,
        "prevalence": prevalence,
    }
    for name, probabilities in named.items():
        entry = operating_figures(labels, probabilities[:, 0], patients, threshold)
        ppv, npv = predictive_values(
            entry["sensitivity"]["value"], entry["specificity"]["value"], prevalence
        )
        entry |= {"ppv": round(ppv, 4), "npv": round(npv, 4)}
        if len(scores.conditions) > 1:
            entry["suite"] = suite_figures(labels, probabilities, scores.conditions, patients)
        figures[name] = entry
    return figures


def write(scores: Scores, figures: dict[str, Any], folder: Path) -> Sequence[Path]:
    """Write the figures as JSON and as pictures; returns the files written."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "evaluation.json"
    path.write_text(json.dumps(figures, indent=2) + "\n")
    pictures = plots.evaluation(scores.labels, scores.ensemble[:, 0], figures["threshold"], folder)
    return [path, *pictures]


def print_table(figures: dict[str, Any], console: Console) -> None:
    """Show the figures, a column for the ensemble and each member."""
    named = {name: entry for name, entry in figures.items() if isinstance(entry, dict)}
    table = Table(
        title=f"{figures['images']} images of {figures['patients']} patients, "
        f"threshold {figures['threshold']:g}, prevalence {figures['prevalence']:g}"
    )
    table.add_column("figure")
    for name in named:
        table.add_column(name)
    for key in ("auc", "accuracy", "sensitivity", "specificity", "ppv", "npv", "ece", "brier"):
        table.add_row(key, *(_cell(entry[key]) for entry in named.values()))
    if all("suite" in entry for entry in named.values()):
        for label, key in (("mean AUC, suite", "mean_auc"), ("worst AUC, suite", "worst")):
            table.add_row(label, *(_cell(entry["suite"][key]) for entry in named.values()))
    console.print(table)


def _cell(value: Any) -> str:
    if isinstance(value, dict) and "low" in value:
        return f"{value['value']:.4f} ({value['low']:.4f}-{value['high']:.4f})"
    if isinstance(value, dict):
        return f"{value['auc']:.4f} ({value['perturbation']})"
    return f"{value:.4f}"
