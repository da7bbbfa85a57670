"""The shortcut audit: does the probability rank with what a file is, rather than what it shows?

Within one true class no property of the file should predict the score. Where one does, the network
has learnt a shortcut of the archive.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.stats import spearmanr

from training.data import Record
from training.dataset import Dataset
from training.metrics import auc

LIMIT: Final = 0.3
"""Absolute rank correlation above which a shortcut is reported as one."""

INTERVENTIONS: Final = {
    "file_bytes": ("jpeg-30", "jpeg-95"),
    "laplacian_variance": ("blur", "sharpen", "scale-96"),
    "aspect_ratio": ("wider-25", "narrower-25"),
    "framing": ("wider-25", "narrower-25"),
    "border_brightness": ("border-8", "crop-6"),
}
"""By property, the perturbations of the suite that change it and nothing of the disease."""

_STRATA: Final = 6
"""Bins of like files."""

_RIM: Final = 0.04
"""Width of the border whose brightness is taken, as a share of the frame's side."""


def properties(dataset: Dataset, record: Record) -> dict[str, float]:
    """Facts of a file that have no bearing on disease.

    Returns:
        ``file_bytes``; ``laplacian_variance`` (sharpness); ``border_brightness`` (0 to 255);
        ``aspect_ratio`` (width / height of a copy at true aspect); ``framing`` (height over width
        of the lungs in the squashed frame); ``lung_shape`` (the same at true aspect ratio: of the
        child, and not of who took the radiograph). The last three are NaN where they are not known.
    """
    frame = dataset.store[dataset.views[record.name][0]]
    height, width = dataset.store[dataset.views[record.name][-1]].shape
    has_true_aspect = len(dataset.views[record.name]) > 1 or height != width
    aspect_ratio = width / height if has_true_aspect else float("nan")
    framing = dataset.framing.get(record.name, float("nan"))
    return {
        "file_bytes": float(record.path.stat().st_size),
        "laplacian_variance": laplacian_variance(frame),
        "border_brightness": border_brightness(frame),
        "aspect_ratio": aspect_ratio,
        "framing": framing,
        "lung_shape": framing / aspect_ratio,
    }


def print_table(rows: list[dict[str, Any]], console: Console) -> None:
    """Show the rows of an audit, those above the limit in bold."""
    table = Table(title=f"Rank correlation with the probability; a shortcut above {LIMIT:g}")
    for column in rows[0]:
        table.add_column(column)
    for row in rows:
        style = "bold" if abs(row["rank_correlation"]) > LIMIT else None
        table.add_row(*(str(value) for value in row.values()), style=style)
    console.print(table)


def laplacian_variance(frame: NDArray[np.uint8]) -> float:
    """Variance of the 4-neighbour Laplacian: the usual measure of sharpness."""
    pixels = frame.astype(np.float32)
    inner = -4 * pixels[1:-1, 1:-1]
    inner += pixels[:-2, 1:-1] + pixels[2:, 1:-1] + pixels[1:-1, :-2] + pixels[1:-1, 2:]
    return float(inner.var())


def border_brightness(frame: NDArray[np.uint8]) -> float:
    """Mean grey level of the rim."""
    rim = max(1, round(min(frame.shape) * _RIM))
    inside = np.zeros(frame.shape, dtype=bool)
    inside[rim:-rim, rim:-rim] = True
    return float(frame[~inside].mean())


@dataclass(frozen=True)
class Files:
    """Properties of the files that were scored.

    Attributes:
        labels: Shape (N,), 0 or 1.
        properties: By name of the property, shape (N,); NaN where it is not known.
    """

    labels: NDArray[np.int64]
    properties: dict[str, NDArray[np.float64]]


def tabulate(dataset: Dataset, records: Sequence[Record]) -> Files:
    """Look at each of these images once."""
    rows = [properties(dataset, record) for record in records]
    return Files(
        labels=np.array([record.label for record in records]),
        properties={name: np.array([row[name] for row in rows]) for name in rows[0]},
    )


def audit(files: Files, probabilities: NDArray[Any]) -> list[dict[str, Any]]:
    """Correlate probabilities with file properties within each class.

    Args:
        files: The N images scored.
        probabilities: Shape (N,).

    Returns:
        Rows of ``class``, ``property``, ``images`` and ``rank_correlation`` (Spearman's).
    """
    rows = []
    for label, class_name in enumerate(("NORMAL", "PNEUMONIA")):
        for name, values in files.properties.items():
            used = (files.labels == label) & np.isfinite(values)
            # A property that all images share ranks nothing.
            if len(np.unique(values[used])) < 3:
                continue
            rank = float(spearmanr(values[used], probabilities[used]).statistic)
            rows.append(
                {
                    "class": class_name,
                    "property": name,
                    "images": int(used.sum()),
                    "rank_correlation": round(rank, 3),
                }
            )
    return rows


def auc_among_like(files: Files, probabilities: NDArray[Any]) -> list[dict[str, Any]]:
    """Rank normals against pneumonias of a like file only: what is left without the property?

    Args:
        files: The N images scored.
        probabilities: Shape (N,).

    Returns:
        Rows of ``property``, ``images``, ``auc of the property`` itself and ``auc among like``;
        none for a property that separates the classes wholly.
    """
    rows = []
    for name, values in files.properties.items():
        used = np.isfinite(values)
        labels = files.labels[used]
        among_like = stratified_auc(labels, probabilities[used], values[used])
        if among_like is None:
            continue
        own = auc(labels, values[used])
        rows.append(
            {
                "property": name,
                "images": int(used.sum()),
                "auc of the property": round(max(own, 1 - own), 4),
                "auc among like": round(among_like, 4),
            }
        )
    return rows


def stratified_auc(
    labels: NDArray[np.int64], scores: NDArray[np.float64], by: NDArray[np.float64]
) -> float | None:
    """AUC over the pairs within bins of equal size of another quantity.

    The stratified Mann-Whitney statistic (van Elteren 1960), weighted by pairs. A score that only
    reads that quantity comes near 0.5.

    Args:
        labels: Shape (N,), 0 or 1.
        scores: Shape (N,).
        by: Shape (N,), the quantity.

    Returns:
        None where no bin holds both classes.
    """
    if not len(by):
        return None
    edges = np.quantile(by, np.linspace(0, 1, _STRATA + 1)[1:-1])
    strata = np.searchsorted(edges, by, side="right")
    right = pairs = 0.0
    for stratum in range(_STRATA):
        here = strata == stratum
        positives = int(labels[here].sum())
        here_pairs = positives * (int(here.sum()) - positives)
        if here_pairs:
            right += here_pairs * auc(labels[here], scores[here])
            pairs += here_pairs
    return right / pairs if pairs else None


def interventions(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], conditions: Sequence[str]
) -> list[dict[str, Any]]:
    """Change the property itself: does the answer follow?

    A rank correlation alone cannot tell a shortcut from a sign of disease: consolidated lungs have
    less texture and so make smaller files. Changing the file and not the chest can.

    Args:
        labels: Shape (N,), 0 or 1.
        probabilities: Shape (N, conditions).
        conditions: Name of each column, ``clean`` among them.

    Returns:
        Rows of ``property``, ``perturbation``, and the mean change of the probability within each
        true class.
    """
    columns = {name: probabilities[:, index] for index, name in enumerate(conditions)}
    rows = []
    for name, perturbations in INTERVENTIONS.items():
        for perturbation in perturbations:
            change = columns[perturbation] - columns["clean"]
            rows.append(
                {
                    "property": name,
                    "perturbation": perturbation,
                    "mean change, NORMAL": round(float(change[labels == 0].mean()), 4),
                    "mean change, PNEUMONIA": round(float(change[labels == 1].mean()), 4),
                }
            )
    return rows
