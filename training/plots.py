"""Figures as PNG files. Matplotlib's file backend is used: no screen is needed."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from training.metrics import auc, reliability, sensitivity, specificity

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

_DPI = 120


def evaluation(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], threshold: float, folder: Path
) -> list[Path]:
    """Draw ROC with the operating point, reliability, confusion matrix and score histogram."""
    drawings: dict[str, Callable[[Axes], None]] = {
        "roc.png": lambda axes: _roc(axes, labels, probabilities, threshold),
        "reliability.png": lambda axes: _reliability(axes, labels, probabilities),
        "confusion.png": lambda axes: _confusion(axes, labels, probabilities > threshold),
        "scores.png": lambda axes: _scores(axes, labels, probabilities, threshold),
    }
    paths = []
    for name, draw in drawings.items():
        figure, axes = plt.subplots(figsize=(4.5, 4), layout="constrained")
        draw(axes)
        figure.savefig(folder / name, dpi=_DPI)
        plt.close(figure)
        paths.append(folder / name)
    return paths


def bars(counts: Mapping[str, float], title: str, path: Path) -> Path:
    """Draw one bar for each entry."""
    figure, axes = plt.subplots(figsize=(5, 3), layout="constrained")
    axes.bar(list(counts), list(counts.values()), color="#31688e")
    axes.set_title(title)
    figure.savefig(path, dpi=_DPI)
    plt.close(figure)
    return path


def histograms(groups: Mapping[str, Sequence[float]], title: str, path: Path) -> Path:
    """Draw one outline histogram for each group, each of area 1."""
    figure, axes = plt.subplots(figsize=(5, 3), layout="constrained")
    low, high = np.percentile(np.concatenate([np.asarray(v) for v in groups.values()]), [0.5, 99.5])
    for name, values in groups.items():
        axes.hist(values, bins=50, range=(low, high), histtype="step", density=True, label=name)
    axes.set_title(title)
    axes.legend()
    figure.savefig(path, dpi=_DPI)
    plt.close(figure)
    return path


def sheet(frames: Mapping[str, Sequence[NDArray[np.uint8]]], path: Path) -> Path:
    """Draw a row of example frames for each group."""
    columns = max(len(row) for row in frames.values())
    figure, axes = plt.subplots(
        len(frames), columns, figsize=(1.8 * columns, 2 * len(frames)), layout="constrained"
    )
    for row, (name, examples) in zip(np.atleast_2d(axes), frames.items(), strict=True):
        for cell in row:
            cell.set_axis_off()
        for cell, frame in zip(row, examples, strict=False):
            cell.imshow(frame, cmap="gray", vmin=0, vmax=255)
        row[0].set_title(name, loc="left")
    figure.savefig(path, dpi=_DPI)
    plt.close(figure)
    return path


def _roc(
    axes: Axes, labels: NDArray[np.int64], scores: NDArray[np.float64], threshold: float
) -> None:
    false_positive, true_positive, _ = roc_curve(labels, scores)
    axes.plot(
        false_positive, true_positive, color="#31688e", label=f"AUC {auc(labels, scores):.4f}"
    )
    point = (1 - specificity(labels, scores, threshold), sensitivity(labels, scores, threshold))
    axes.plot(*point, "o", color="#d1495b", label=f"operating point, p > {threshold:g}")
    axes.plot([0, 1], [0, 1], ":", color="grey")
    axes.set_xlabel("1 - specificity")
    axes.set_ylabel("sensitivity")
    axes.legend(loc="lower right")


def _reliability(axes: Axes, labels: NDArray[np.int64], scores: NDArray[np.float64]) -> None:
    points = reliability(labels, scores)
    axes.plot([0, 1], [0, 1], ":", color="grey")
    axes.plot([p[0] for p in points], [p[1] for p in points], "o-", color="#31688e")
    axes.set_xlabel("mean probability")
    axes.set_ylabel("observed share of pneumonia")


def _confusion(axes: Axes, labels: NDArray[np.int64], called: NDArray[np.bool_]) -> None:
    counts = np.array([[np.sum((labels == t) & (called == c)) for c in (0, 1)] for t in (0, 1)])
    axes.imshow(counts, cmap="Blues")
    for true in (0, 1):
        for answer in (0, 1):
            dark = counts[true, answer] > counts.max() / 2
            axes.text(
                answer,
                true,
                str(counts[true, answer]),
                ha="center",
                va="center",
                color="white" if dark else "black",
            )
    axes.set_xticks([0, 1], ["NORMAL", "PNEUMONIA"])
    axes.set_yticks([0, 1], ["NORMAL", "PNEUMONIA"])
    axes.set_xlabel("verdict")
    axes.set_ylabel("truth")


def _scores(
    axes: Axes, labels: NDArray[np.int64], scores: NDArray[np.float64], threshold: float
) -> None:
    for label, (name, colour) in enumerate((("NORMAL", "#31688e"), ("PNEUMONIA", "#d1495b"))):
        axes.hist(
            scores[labels == label], bins=40, range=(0, 1), alpha=0.6, label=name, color=colour
        )
    axes.axvline(threshold, color="black", linestyle=":")
    axes.set_xlabel("probability of pneumonia")
    axes.set_ylabel("images")
    axes.legend()
